"""The examples in the docstrings of the core run as printed."""

import doctest
import importlib
from pathlib import Path

import pytest

import espnet_tutornet

PACKAGE = Path(espnet_tutornet.__file__).parent
ROOMS = (
    "config.py",
    "outputs.py",
    "losses",
    "layers",
    "encoder",
    "teacher",
    "asr",
    "tasks",
    "report",
)
# of recipe/: what needs no files
RECIPE = ("grid", "methods", "run_sh", "significance", "trials")
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if (path.relative_to(PACKAGE).parts[0] in ROOMS or path.stem in RECIPE)
    and ">>>" in path.read_text(encoding="utf-8")
]


def test_some_modules_have_examples():
    assert len(MODULES) >= 8, MODULES


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_printed(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0, name
