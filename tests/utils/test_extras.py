import doctest
import sys

import pytest

from espnet_tutornet.utils import extras
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.extras import find_missing, find_version, needs_extra


def test_what_is_missing_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RuntimeError) as error:
        with needs_extra("report", "the report"):
            from matplotlib import figure  # noqa: F401
    assert str(error.value) == (
        "matplotlib is not installed, which the report needs. Install it: "
        "pip install 'espnet_tutornet[report]'"
    )


def test_a_command_says_it_in_one_line(monkeypatch, capsys):
    @exit_on_error
    def main():
        with needs_extra("hub", "--teacher a/b"):
            import no_such_library  # noqa: F401

    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "espnet_tutornet[hub]" in said


@pytest.mark.parametrize(
    "raised", [ModuleNotFoundError(name="espnet_tutornet.gone"), ImportError("a .so")]
)
def test_what_pip_does_not_mend_stays_as_it_is(raised):
    with pytest.raises(type(raised)) as error:
        with needs_extra("report", "the report"):
            raise raised
    assert error.value is raised


def test_an_extra_lacks_what_is_not_installed(monkeypatch):
    monkeypatch.setitem(extras.EXTRAS, "odd", ("json", "no_such_library"))
    assert find_missing("odd") == ["no_such_library"]


def test_a_version_is_that_of_the_installation():
    assert find_version("pytest") == pytest.__version__


def test_the_examples_run_as_printed():
    result = doctest.testmod(extras)
    assert result.attempted > 0 and result.failed == 0
