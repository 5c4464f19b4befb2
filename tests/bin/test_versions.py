import platform
from importlib.metadata import version

from espnet_tutornet.bin import versions
from espnet_tutornet.utils import extras


def test_every_package_and_every_extra_has_a_line(capsys, monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("numpy", "no-such-package"))
    for extra in list(extras.EXTRAS):
        monkeypatch.delitem(extras.EXTRAS, extra)
    monkeypatch.setitem(extras.EXTRAS, "there", ("numpy",))
    monkeypatch.setitem(extras.EXTRAS, "half", ("numpy", "no_such", "nor_this"))
    versions.main()
    assert capsys.readouterr().out.splitlines() == [
        f"python {platform.python_version()} on {platform.machine()}",
        f"numpy {version('numpy')}",
        "no-such-package not installed",
        "extra there installed",
        "extra half lacks no_such, nor_this: pip install 'espnet_tutornet[half]'",
    ]


def test_the_packages_that_results_depend_on_are_named():
    assert {"espnet_tutornet", "espnet", "torch"} <= set(versions.PACKAGES)
