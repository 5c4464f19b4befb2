import errno
import os
import shutil
import subprocess
import sys
from concurrent.futures import Future

import numpy as np
import pytest
import soundfile
import torch

from espnet_tutornet.losses.masking import utterance_mean
from espnet_tutornet.scoring.score import check_pairs
from espnet_tutornet.utils.command import exit_on_error


@exit_on_error
def call(function, *args):
    """Call a function."""
    return function(*args)


@exit_on_error
def fail_with(error):
    """Raise ``error``."""
    raise error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad value"),
        FileNotFoundError("no file"),
        RuntimeError("bad state"),
        OSError("cannot write"),
    ],
)
def test_foreseen_errors_become_one_line_and_status_one(error, capsys, monkeypatch):
    monkeypatch.delenv("TUTORNET_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as stop:
        fail_with(error)
    assert stop.value.code == 1
    captured = capsys.readouterr()
    assert captured.err == f"{__name__}: error: {error}\n"
    assert captured.out == ""


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), ZeroDivisionError()])
def test_a_defect_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        fail_with(error)


@pytest.mark.parametrize(
    "function, args, error",
    [
        (torch.mm, (torch.zeros(2, 3), torch.zeros(2, 3)), RuntimeError),
        (torch.nn.Linear(3, 4), (torch.zeros(2, 5),), RuntimeError),
        (np.zeros(4).reshape, (3, 3), ValueError),
        (int, ("x",), ValueError),
        # a line of the package that raises nothing itself
        (utterance_mean, (torch.zeros(2, 3), torch.ones(2, 2) > 0), RuntimeError),
    ],
)
def test_an_error_inside_a_library_keeps_its_traceback(function, args, error):
    """A shape that did not fit, in a training of hours, was one line."""
    with pytest.raises(error):
        call(function, *args)


def test_an_error_that_a_function_of_the_package_raises_is_one_line(capsys):
    with pytest.raises(SystemExit):
        call(check_pairs, {"a": ["A"]}, {})
    error = capsys.readouterr().err
    assert "1 utterances have no hypothesis: a." in error and error.count("\n") == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_one_line(number, capsys):
    failed = Future()
    failed.set_exception(OSError(number, os.strerror(number)))
    with pytest.raises(SystemExit):
        call(failed.result)  # raised by another module than ours
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_file_is_one_line_that_names_it(tmp_path, capsys):
    with pytest.raises(SystemExit):
        call(open, tmp_path / "nothing")
    error = capsys.readouterr().err
    assert str(tmp_path / "nothing") in error and error.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"not audio"])
def test_audio_that_cannot_be_read_is_one_line(tmp_path, capsys, content):
    path = tmp_path / "a.wav"
    if content:
        path.write_bytes(content)
    with pytest.raises(SystemExit):
        call(soundfile.read, path)
    assert str(path) in capsys.readouterr().err


def test_files_that_cannot_be_copied_are_one_line(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/gone.npz").symlink_to("nowhere")
    with pytest.raises(SystemExit):
        call(shutil.copytree, tmp_path / "a", tmp_path / "b")
    assert "gone.npz" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-O", "PYTHONOPTIMIZE"])
def test_python_without_asserts_is_refused(tmp_path, option):
    """The cache was not read: "Unexpected format", for what an assert had read."""
    words, variables = ([option], {}) if option == "-O" else ([], {option: "1"})
    done = subprocess.run(
        [sys.executable, *words, "-m", "espnet_tutornet.bin.score", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: expected a Python with asserts, got python -O" in done.stderr
    assert "unset PYTHONOPTIMIZE" in done.stderr


def test_the_variable_keeps_the_traceback(monkeypatch):
    monkeypatch.setenv("TUTORNET_TRACEBACK", "1")
    with pytest.raises(ValueError, match="bad value"):
        fail_with(ValueError("bad value"))


def test_the_result_the_arguments_and_the_docstring_pass_through():
    @exit_on_error
    def add(a, b=0):
        """Add."""
        return a + b

    assert add(1, b=2) == 3
    assert add.__name__ == "add" and add.__doc__ == "Add."


def test_a_script_is_named_by_its_file(tmp_path):
    script = tmp_path / "tool.py"
    script.write_text(
        "from espnet_tutornet.utils.command import exit_on_error\n"
        "@exit_on_error\n"
        "def main():\n    raise ValueError('no good')\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{script}: error: no good\n"
