import subprocess
import sys

import pytest

from espnet_tutornet.utils.command import exit_on_error


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
        OSError("disk full"),
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
