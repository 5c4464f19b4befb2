import os
import time

import pytest

from espnet_tutornet.compare.run_sh import start


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_the_script_started_ends_when_the_block_is_left(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\nsleep 60 &\necho $! > pid\nwait\n")
    with pytest.raises(KeyboardInterrupt):
        with start(["sh", "-c", f"cd {tmp_path}; . ./run.sh"], tmp_path / "log"):
            while (
                not (tmp_path / "pid").exists() or not (tmp_path / "pid").stat().st_size
            ):
                time.sleep(0.02)
            pid = int((tmp_path / "pid").read_text())
            assert _alive(pid)
            raise KeyboardInterrupt
    for _ in range(100):
        if not _alive(pid):
            break
        time.sleep(0.02)
    assert not _alive(pid)


def test_output_is_appended_to_the_log(tmp_path):
    for word in ("one", "two"):
        with start(["sh", "-c", f"echo {word}; echo err >&2"], tmp_path / "a/log") as p:
            assert p.wait() == 0
    assert (tmp_path / "a/log").read_text() == "one\nerr\ntwo\nerr\n"
