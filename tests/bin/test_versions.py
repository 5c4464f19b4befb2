import platform
from importlib.metadata import version

from espnet_tutornet.bin import versions


def test_every_package_has_a_line(capsys, monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("numpy", "no-such-package"))
    versions.main()
    assert capsys.readouterr().out.splitlines() == [
        f"python {platform.python_version()} on {platform.machine()}",
        f"numpy {version('numpy')}",
        "no-such-package not installed",
    ]


def test_the_packages_that_results_depend_on_are_named():
    assert {"espnet_tutornet", "espnet", "torch"} <= set(versions.PACKAGES)
