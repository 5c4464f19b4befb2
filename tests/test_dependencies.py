"""What the package imports is what setup.py has pip install."""

import ast
import re
import sys
from pathlib import Path

import pytest
import setuptools  # noqa: F401  # brings distutils where Python has none

import espnet_tutornet
from espnet_tutornet.utils.extras import EXTRAS

PACKAGE = Path(espnet_tutornet.__file__).parent
ROOT = PACKAGE.parent
# modules whose distribution has another name
DISTRIBUTIONS = {
    "dask_jobqueue": "dask-jobqueue",
    "espnet2": "espnet",
    "hibari": "hibari-tts",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
EXTRA_OF = {module: extra for extra, names in EXTRAS.items() for module in names}


def third_party(node):
    """Return the modules that a statement imports, without Python's and ours."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module]
    else:
        return set()
    tops = {name.split(".")[0] for name in names}
    return tops - {*sys.stdlib_module_names, PACKAGE.name}


TREES = {
    path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
IMPORTS = [
    (path, node.lineno, module)
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    for module in third_party(node)
]
IMPORTED = {module for _, _, module in IMPORTS}


def bare(requirement):
    """Return the name in a requirement, as pip compares names."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def declared():
    """Return what setup.py says: extra, or "" for what is required -> names."""
    from distutils.core import run_setup

    told = run_setup(str(ROOT / "setup.py"), stop_after="init")
    names = {extra: set() for extra in ("", *told.extras_require)}
    for requirement in told.install_requires:
        names[""].add(bare(requirement))
    for extra, requirements in told.extras_require.items():
        # some releases of setuptools put ":python_version..." behind the extra's name
        names[extra.split(":")[0]].update(map(bare, requirements))
    return names


def distribution(module):
    return bare(DISTRIBUTIONS.get(module, module))


def test_every_import_is_declared(declared):
    missing = {
        f"{path}:{line}: {module}"
        for path, line, module in IMPORTS
        if distribution(module) not in declared[EXTRA_OF.get(module, "")]
    }
    assert not missing, "name their distributions in setup.py"


def test_what_is_required_is_imported(declared):
    needed = {distribution(module) for module in IMPORTED - set(EXTRA_OF)}
    assert declared[""] == needed


def test_extras_are_the_same_for_pip_and_for_the_messages(declared):
    for extra, modules in EXTRAS.items():
        assert {distribution(module) for module in modules} == declared[extra]
        assert set(modules) <= IMPORTED, f"nothing imports the extra {extra}"


def test_all_and_test_hold_the_extras(declared):
    union = {name for extra in EXTRAS for name in declared[extra]}
    assert declared["all"] == union
    assert declared["test"] == {"pytest"} | union | declared["docs"] | declared["lint"]


def test_only_the_report_loads_an_extra_when_it_is_imported():
    loaded = {
        (path.parts[0], module)
        for path, tree in TREES.items()
        for node in tree.body
        for module in third_party(node) & set(EXTRA_OF)
    }
    assert loaded <= {("report", module) for module in EXTRAS["report"]}
