"""The examples in the docstrings run as printed."""

import doctest
import importlib
from pathlib import Path

import pytest

import espnet_tutornet

PACKAGE = Path(espnet_tutornet.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def test_some_modules_have_examples():
    assert len(MODULES) >= 40, MODULES


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_printed_and_leave_no_file(name, tmp_path, monkeypatch):
    """One made a corpus wherever the tests ran."""
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0, name
    assert not list(tmp_path.iterdir()), name
