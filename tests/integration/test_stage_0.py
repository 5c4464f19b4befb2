"""Stage 0 makes an environment, where a fake pip installs nothing."""

import os
import shutil
import sys

import pytest

pytestmark = pytest.mark.integration

# what there is without the package: it says its version, and runs what it is given
PYTHON = """#!/usr/bin/env bash
case "$*" in
    *"import espnet_tutornet"*) exit 1 ;;
    *sys.version_info*) echo {version} ;;
    *"-m venv "*) mkdir -p "${{@: -1}}/bin" && cp {installed} "${{@: -1}}/bin/python" ;;
    *) exec {real} "$@" ;;
esac
"""
INSTALLED = """#!/usr/bin/env bash
if [[ "$*" == "-m pip "* ]]; then echo "pip: $*"; else exec {real} "$@"; fi
"""


@pytest.fixture
def stage_0(recipe, call, environment, tmp_path):
    """Return stage_0(words): what it prints, where Python is 3.11, 3.12 and 3.14."""
    copy = tmp_path / "egs2/recipe/asr1"
    copy.mkdir(parents=True)
    (tmp_path / "setup.py").touch()  # of the checkout
    for name in (
        "run.sh",
        "tutornet.sh",
        "path.sh",
        "cmd.sh",
        "db.sh",
        "local",
        "conf",
    ):
        source = recipe / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    (tmp_path / "bin").mkdir()
    installed = tmp_path / "installed"
    installed.write_text(INSTALLED.format(real=sys.executable))
    installed.chmod(0o755)
    versions = {"": 3.11, ".11": 3.11, ".12": 3.12, ".13": "nothing", ".14": 3.14}
    for name, version in versions.items():
        path = tmp_path / f"bin/python3{name}"
        fields = dict(version=version, installed=installed, real=sys.executable)
        path.write_text(PYTHON.format(**fields))
        path.chmod(0o755)
    places = copy / "local/find_python.sh"  # this machine's own are not looked at
    places.write_text(f"{places.read_text()}\npython_places=(/nowhere/VERSION)\n")
    env = {**environment, "PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"}

    def run(*words, status=0):
        command = [copy / "run.sh", "--stop_stage", "0", *words]
        return call(command, status=status, env=env)

    return run


def test_the_newest_python_is_taken_and_its_espnet_is_named(stage_0, tmp_path):
    output = stage_0()
    line = f"install espnet_tutornet and ESPnet 202611 with {tmp_path}/bin/python3.12 "
    assert line in output and "pip: -m pip install" in output
    assert "Successfully finished" in output
    again = stage_0()  # tools/venv has the package now
    assert "install espnet" not in again and "Stage 0: Environment: versions" in again


def test_a_python_that_is_given_is_taken(stage_0, tmp_path):
    output = stage_0("--python", f"{tmp_path}/bin/python3.11")
    assert f"and ESPnet 202511 with {tmp_path}/bin/python3.11 " in output
    assert (tmp_path / "egs2/recipe/asr1/tools/venv/bin/python").is_file()


def test_a_python_that_is_too_new_is_refused(stage_0, tmp_path):
    output = stage_0("--python", f"{tmp_path}/bin/python3.14", status=1)
    assert f"error: {tmp_path}/bin/python3.14 is 3.14 Python, expected one of" in output
    assert not (tmp_path / "egs2/recipe/asr1/tools").exists()
