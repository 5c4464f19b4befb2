import platform
from importlib.metadata import version

import pytest

from espnet_tutornet.utils import environment, extras


def test_every_package_and_every_extra_has_a_line(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    for extra in list(extras.EXTRAS):
        monkeypatch.delitem(extras.EXTRAS, extra)
    monkeypatch.setitem(extras.EXTRAS, "there", ("numpy",))
    monkeypatch.setitem(extras.EXTRAS, "half", ("numpy", "no_such", "nor_this"))
    assert list(environment.list_versions()) == [
        f"python {platform.python_version()} on {platform.machine()}",
        f"numpy {version('numpy')}",
        "no-such-package not installed",
        "extra there installed",
        "extra half lacks no_such, nor_this: pip install 'espnet_tutornet[half]'",
    ]


def test_the_packages_that_results_depend_on_are_named():
    assert {"espnet_tutornet", "espnet", "torch"} <= set(environment.PACKAGES)


def test_what_does_not_load_beside_torch_is_named(tmp_path, monkeypatch):
    (tmp_path / "cut_library.py").write_text("raise OSError('undefined symbol: what')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="beside torch .*undefined symbol: what"):
        environment.check_pair("cut_library")
    (tmp_path / "cut_library.py").write_text("")
    environment.check_pair("cut_library")
