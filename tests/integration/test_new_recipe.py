"""pip install is enough: a wheel brings a recipe that runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

REPO = Path(__file__).resolve().parents[2]


def _environment():
    """Return the environment without what leads to the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a Python with the wheel, which borrows the dependencies of this one."""
    root = tmp_path_factory.mktemp("installed")
    source = root / "source"  # a build leaves its files where it is made
    skipped = shutil.ignore_patterns("results", "exp", "exp_*", "dump", "downloads")
    shutil.copytree(REPO / "egs2", source / "egs2", symlinks=True, ignore=skipped)
    shutil.copytree(REPO / "espnet_tutornet", source / "espnet_tutornet")
    for name in ("setup.py", "setup.cfg", "README.md", "MANIFEST.in"):
        shutil.copy(REPO / name, source)
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    words = ["wheel", "--no-deps", "--wheel-dir", root, source]
    env = _environment()
    subprocess.run([sys.executable, *pip, *map(str, words)], check=True, env=env)
    (wheel,) = root.glob("espnet_tutornet-*.whl")
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    python = root / "venv/bin/python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    ask = [python, "-c", code], [sys.executable, "-c", code]
    ours, theirs = (subprocess.check_output(a, text=True).strip() for a in ask)
    Path(ours, "borrowed.pth").write_text(f"{theirs}\n")
    words = ["install", "--no-deps", str(wheel)]
    subprocess.run([python, *pip, *words], check=True, env=env)
    return python


def test_a_wheel_brings_a_recipe_that_prepares_data(installed, corpus, tmp_path):
    env = _environment()

    def run(*words, status=0, cwd=tmp_path):
        done = subprocess.run(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=env,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    where = run(installed, "-c", "import espnet_tutornet as e; print(e.__file__)")
    assert Path(where.strip()).is_relative_to(installed.parents[1])
    new = [installed, "-m", "espnet_tutornet.bin.new_recipe", "own/asr1"]
    assert "Next: cd own/asr1 && ./run.sh --python " in run(*new)
    assert "own/asr1" in run(*new, status=1)  # it does not write over it
    recipe = tmp_path / "own/asr1"
    command = ["./run.sh", "--python", installed, "--corpus_dir", corpus]
    output = run(*command, "--stop_stage", 4, cwd=recipe)
    assert "Successfully finished" in output
    assert (recipe / "data/token_list/char/tokens.txt").is_file()
    assert not list(recipe.rglob("*.tmp"))
    assert not (recipe / "studies").exists()
