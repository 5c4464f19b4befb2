import io
import subprocess
import sys

import pytest
import torch

from espnet_tutornet.jobs.saving import save_whole

CHECKPOINT = {"model": {"w": torch.ones(3)}, "reporter": {"epoch": 4, "stats": {}}}


class Unsavable:
    def __reduce__(self):
        raise OSError("No space left on device")


@pytest.fixture(autouse=True)
def whole(monkeypatch):
    monkeypatch.setattr(torch, "save", torch.save)
    save_whole()


def test_a_save_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"w": torch.ones(2)}, path)
    with pytest.raises(OSError, match=f"cannot write {path}: No space left"):
        torch.save([torch.zeros(1000), Unsavable()], path)
    assert torch.equal(torch.load(path)["w"], torch.ones(2))
    assert list(tmp_path.iterdir()) == [path]


def test_the_epoch_is_there_before_its_checkpoint(tmp_path):
    torch.save(CHECKPOINT, str(tmp_path / "checkpoint.pth"))
    assert torch.load(tmp_path / "checkpoint.pth")["reporter"]["epoch"] == 4
    assert torch.equal(torch.load(tmp_path / "4epoch.pth")["w"], torch.ones(3))
    (tmp_path / "checkpoint.pth").unlink()
    (tmp_path / "4epoch.pth").unlink()
    with pytest.raises(OSError):
        torch.save(
            {**CHECKPOINT, "optimizers": Unsavable()}, tmp_path / "checkpoint.pth"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["4epoch.pth"]


def test_a_buffer_is_written_as_before():
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2)}, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer)["w"], torch.ones(2))


def test_wrapping_twice_is_wrapping_once():
    once = torch.save
    save_whole()
    assert torch.save is once


def test_a_file_size_limit_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"w": torch.ones(2)}, path)
    code = (
        "import resource, sys, torch\n"
        "from espnet_tutornet.jobs.saving import save_whole\n"
        "save_whole()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "torch.save({'w': torch.zeros(10000)}, sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"OSError: cannot write {path}: [Errno 27] File too large" in done.stderr
    assert torch.equal(torch.load(path)["w"], torch.ones(2))
