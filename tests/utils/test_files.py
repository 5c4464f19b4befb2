import os
import shutil
import subprocess
import sys

import pytest

from espnet_tutornet.utils import files
from espnet_tutornet.utils.files import atomic_dir, atomic_write, remove_leftovers

FULL_DISK = """
import resource, signal, sys
from espnet_tutornet.utils import files
from espnet_tutornet.utils.files import atomic_dir, atomic_write, remove_leftovers

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


KILLED = """
import os, signal, sys
from espnet_tutornet.utils.files import atomic_dir, atomic_write

with atomic_write(sys.argv[1] + "/6epoch.pth"), atomic_dir(sys.argv[1] + "/00003") as d:
    (d / "last.ark").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _kill_a_writer(directory):
    """Return the names of what a killed process left behind."""
    subprocess.run([sys.executable, "-c", KILLED, str(directory)])
    names = _names(directory)
    assert len(names) == 2
    return names


@pytest.mark.parametrize("write", [atomic_write, atomic_dir])
def test_the_next_writer_removes_what_a_killed_one_left_behind(tmp_path, write):
    """A training that is resumed need not write the file again that it died in."""
    _kill_a_writer(tmp_path)
    with write(tmp_path / "another"):
        pass
    assert _names(tmp_path) == ["another"]


def test_what_a_living_process_writes_is_not_removed(tmp_path):
    code = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "print(flush=True)")
    code += "    input()\n"
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], **pipes
    ) as other:
        other.stdout.readline()
        before = _names(tmp_path)
        remove_leftovers(tmp_path)
        assert _names(tmp_path) == before and len(before) == 2
        other.communicate(b"\n")
    assert _names(tmp_path) == ["00003", "6epoch.pth"]


def test_another_host_s_temporary_files_go_when_they_are_old(tmp_path, monkeypatch):
    names = _kill_a_writer(tmp_path)
    monkeypatch.setattr(files.socket, "gethostname", lambda: "elsewhere.example.org")
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == names
    for name in names:
        os.utime(tmp_path / name, (0, 0))
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == []


def test_other_hidden_files_stay(tmp_path):
    names = [".6epoch.pth.99999999.tmp", ".lock", ".train.begun", "a.99999999@b.tmp"]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "of nothing")
    assert _names(tmp_path) == names


def test_an_old_directory_goes_only_when_the_new_one_is_there(tmp_path):
    """Killed between the two moves of a swap: it may be the only copy."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    old = f".train.{done.pid}@{files.socket.gethostname()}.old"
    (tmp_path / old).mkdir()
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == [old]
    (tmp_path / "train").mkdir()
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == ["train"]
