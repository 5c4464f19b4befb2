"""Which interpreter stage 0 takes, on a PATH of fake ones."""

import shutil
import subprocess
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "egs2/librispeech_tutornet/asr1"
TOOLS = ("bash", "grep", "mktemp", "mkdir", "rm", "sort")
FAKE = """#!/usr/bin/env bash
case "$1" in
    -c) {says} ;;
    -m) {makes} ;;
esac
"""
WORKS = 'mkdir -p "${@: -1}/bin"'


class Machine:
    """A PATH with nothing but fake interpreters and what a script needs."""

    def __init__(self, root):
        self.root, self.bin = root, root / "bin"
        self.bin.mkdir()
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name))

    def add(self, name, says, makes=WORKS):
        """Add an interpreter: ``name`` on the PATH, or a path."""
        path = self.bin / name if "/" not in name else self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAKE.format(says=says, makes=makes))
        path.chmod(0o755)
        return str(path)

    def run(self, command, python=""):
        script = f"""
            set -euo pipefail
            . local/find_python.sh
            python_places=("{self.root}/pyenv/VERSION.*/bin/python3")
            die() {{ echo "error: $*" >&2; exit 1; }}
            python={python} given_python={python}
            {command}
        """
        return subprocess.run(
            ["bash", "-c", script],
            cwd=RECIPE,
            env={"PATH": str(self.bin), "TMPDIR": str(self.root)},
            capture_output=True,
            text=True,
        )

    def find(self, *versions):
        return self.run(f"find_python {' '.join(versions)}")

    def choose(self, python=""):
        return self.run('choose_python; echo "${espnet_release} ${python}"', python)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_the_first_version_asked_for_is_taken_where_there_are_several(machine):
    paths = {v: machine.add(f"python{v}", f"echo {v}") for v in ("3.11", "3.12")}
    assert machine.find("3.13", "3.12", "3.11").stdout == f"{paths['3.12']}\n"
    assert machine.find("3.11").stdout == f"{paths['3.11']}\n"


def test_a_python3_of_the_version_will_do(machine):
    path = machine.add("python3", "echo 3.12")
    assert machine.find("3.13", "3.12", "3.11").stdout == f"{path}\n"


@pytest.mark.parametrize("says", ["exit 127", "echo 3.12", "echo pyenv: no such"])
def test_a_name_that_does_not_run_that_version_is_passed_over(machine, says):
    """A shim of pyenv: on the PATH, but it runs nothing."""
    machine.add("python3.13", says)
    path = machine.add("pyenv/3.13.0/bin/python3", "echo 3.13")
    machine.add("python3.11", "echo 3.11")
    assert machine.find("3.13", "3.12", "3.11").stdout == f"{path}\n"


def test_a_python_that_makes_no_environment_is_passed_over(machine):
    """Debian's, without python3-venv."""
    machine.add("python3.13", "echo 3.13", makes=f"{WORKS}; echo no ensurepip; exit 1")
    path = machine.add("python3.12", "echo 3.12")
    done = machine.find("3.13", "3.12", "3.11")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    assert {p.name for p in machine.root.iterdir()} == {"bin"}  # nothing is left behind


def test_where_none_fits_it_is_said_what_was_found(machine):
    machine.add("python3", "echo 3.14")
    machine.add("python3.14", "echo 3.14")
    machine.add("python3.10", "echo 3.10")
    machine.add("python3.9", "exit 127")
    machine.add("python3.12", "echo 3.12", makes="exit 1")
    done = machine.find("3.13", "3.12", "3.11")
    assert done.returncode == 1 and done.stdout == ""
    message = "no Python of 3.13 3.12 3.11 that can make an environment; found: "
    assert done.stderr.startswith(message), done.stderr
    found = done.stderr[len(message) :].rstrip("\n").split(", ")
    unfit = f"{machine.bin}/python3.12 (3.12: makes no environment)"
    others = [("python3", "3.14"), ("python3.10", "3.10"), ("python3.14", "3.14")]
    expected = [unfit, *(f"{machine.bin}/{name} ({v})" for name, v in others)]
    assert sorted(found) == sorted(expected)


def test_where_there_is_none_that_is_said(machine):
    done = machine.find("3.11")
    message = "no Python of 3.11 that can make an environment; found: none\n"
    assert done.stderr == message


@pytest.mark.parametrize(
    "version, release", [("3.11", 202511), ("3.12", 202611), ("3.13", 202611)]
)
def test_the_version_decides_on_the_release_of_espnet(machine, version, release):
    path = machine.add(f"python{version}", f"echo {version}")
    assert machine.choose().stdout == f"{release} {path}\n"


def test_the_newest_is_chosen_unless_one_is_given(machine):
    older, newer = (machine.add(f"python{v}", f"echo {v}") for v in ("3.11", "3.13"))
    assert machine.choose().stdout == f"202611 {newer}\n"
    assert machine.choose(older).stdout == f"202511 {older}\n"


@pytest.mark.parametrize(
    "says, version",
    [("echo 3.14", "3.14"), ("echo 3.9", "3.9"), ("exit 1", "no working")],
)
def test_a_given_python_that_is_not_supported_is_refused(machine, says, version):
    path = machine.add("mine/python", says)
    done = machine.choose(path)
    expected = f"error: {path} is {version} Python, expected one of 3.13 3.12 3.11"
    assert done.returncode == 1 and done.stderr.startswith(expected), done.stderr


def test_without_a_python_that_fits_the_recipe_says_what_to_do(machine):
    machine.add("python3", "echo 3.14")
    done = machine.choose()
    assert done.returncode == 1 and "found: " in done.stderr
    assert (
        "error: stage 0 makes an environment with one of these: install it"
        in done.stderr
    )
