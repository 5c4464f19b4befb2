import os
import shutil
import subprocess
import sys

import pytest

from espnet_tutornet.utils.files import atomic_dir, atomic_write

FULL_DISK = """
import resource, signal, sys
from espnet_tutornet.utils.files import atomic_dir, atomic_write

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    if sys.argv[1] == "file":
        with atomic_write(sys.argv[2]) as f:
            f.write("x" * 5000)
    else:
        with atomic_dir(sys.argv[2]) as new:
            (new / "text").write_text("x" * 5000)
except OSError:
    sys.exit(28)
"""


def _names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_atomic_write_makes_parents_and_leaves_no_temporary(tmp_path):
    with atomic_write(tmp_path / "a/b/text") as f:
        f.write("é")
    assert (tmp_path / "a/b/text").read_bytes() == "é".encode("utf-8")
    assert _names(tmp_path / "a/b") == ["text"]


def test_atomic_write_binary(tmp_path):
    with atomic_write(tmp_path / "x", "wb") as f:
        f.write(b"\x00\xff")
    assert (tmp_path / "x").read_bytes() == b"\x00\xff"


def test_atomic_write_shows_nothing_before_the_end(tmp_path):
    (tmp_path / "text").write_text("old")
    with atomic_write(tmp_path / "text") as f:
        f.write("new")
        f.flush()
        assert (tmp_path / "text").read_text() == "old"
    assert (tmp_path / "text").read_text() == "new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_atomic_write_interrupted_keeps_the_old_file(tmp_path, error):
    (tmp_path / "text").write_text("old")
    with pytest.raises(error):
        with atomic_write(tmp_path / "text") as f:
            f.write("half")
            raise error
    assert (tmp_path / "text").read_text() == "old"
    assert _names(tmp_path) == ["text"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_atomic_dir_interrupted_keeps_the_old_directory(tmp_path, error):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/text").write_text("old")
    with pytest.raises(error):
        with atomic_dir(tmp_path / "d") as new:
            (new / "text").write_text("half")
            raise error
    assert (tmp_path / "d/text").read_text() == "old"
    assert _names(tmp_path) == ["d"]


def test_atomic_dir_replaces_the_whole_directory(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/stale").write_text("old")
    with atomic_dir(tmp_path / "d") as new:
        (new / "text").write_text("new")
        assert _names(tmp_path / "d") == ["stale"]
    assert _names(tmp_path / "d") == ["text"]
    assert _names(tmp_path) == ["d"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("kind", ["file", "dir"])
def test_full_disk_keeps_what_was_there(tmp_path, kind):
    target = tmp_path / "target"
    kept = target if kind == "file" else target / "text"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("old")
    command = [sys.executable, "-c", FULL_DISK, kind, str(target)]
    assert subprocess.run(command).returncode == 28
    assert kept.read_text() == "old"
    assert _names(tmp_path) == ["target"]


def test_atomic_dir_gives_the_old_directory_back_when_the_swap_fails(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    (path / "text").write_text("old")
    with pytest.raises(OSError):
        with atomic_dir(path) as new:
            shutil.rmtree(new)
    assert (path / "text").read_text() == "old"
    assert os.listdir(tmp_path) == ["data"]


def test_atomic_dir_fills_the_directory_behind_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    with atomic_dir(tmp_path / "data") as new:
        (new / "text").write_text("new")
    assert (tmp_path / "data").is_symlink()
    assert (tmp_path / "disk" / "text").read_text() == "new"
