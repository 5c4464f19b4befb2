"""Nothing imports upwards, and what is light stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import espnet_tutornet

PACKAGE = Path(espnet_tutornet.__file__).parent
NAME = PACKAGE.name
# a room imports from its own floor's lower ones, and from those named beside it
FLOORS = {
    "__init__": 0,
    "utils": 1,
    "outputs": 1,
    "losses": 2,
    "layers": 2,
    "encoder": 2,
    "data": 2,
    "scoring": 2,
    "jobs": 2,
    "cache": 3,
    "experiment": 3,
    "teacher": 4,
    "distill": 4,
    "compare": 4,
    "report": 5,
    "asr": 5,
    "tasks": 6,
    "student": 7,
    "bin": 8,
}
NEIGHBOURS = {("losses", "layers"), ("layers", "losses")}  # both need torch alone
WITHOUT_TORCH = ("utils", "data", "scoring", "jobs", "experiment", "compare", "report")
# load torch or ESPnet; the rest of their rooms starts at once
HEAVY = ("report/recognition.py", "jobs/saving.py", "jobs/finished.py")
LIBRARIES = {"torch", "torchaudio", "espnet", "espnet2", "espnet3", "espnetez"}
MOST_FILES = 16  # of a room
LARGER = ("bin",)  # a file per command
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    """Return the top-level package or module of a file: losses, config, ..."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Return the dotted names that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def tops(path):
    return {name.split(".")[0] for name in imports(path)}


def rooms_used(path):
    parts = [name.split(".") for name in imports(path)]
    return {part[1] for part in parts if part[0] == NAME and len(part) > 1}


def test_imports_reads_nested_and_from_imports(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("import os.path\ndef f():\n    from espnet2.tasks import asr\n")
    assert imports(file) == {"os.path", "espnet2.tasks.asr"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_imports_only_what_its_room_may(path):
    here = room(path)
    assert here in FLOORS, f"give {here} a floor"
    others = rooms_used(path) - {here}
    upwards = {
        other
        for other in others
        if FLOORS[other] >= FLOORS[here] and (here, other) not in NEIGHBOURS
    }
    assert not upwards, f"{path} imports upwards: {upwards}"
    if here in ("losses", "layers", "outputs"):
        assert not tops(path) & (LIBRARIES - {"torch", "torchaudio"})
        assert others <= {"losses", "layers", "utils"}
    if here in WITHOUT_TORCH and str(path.relative_to(PACKAGE)) not in HEAVY:
        assert not tops(path) & LIBRARIES
        assert others <= set(WITHOUT_TORCH)
    if here == "encoder":
        assert others <= {"utils"}
    if "encoder" in others:
        assert here in ("teacher", "tasks", "student", "bin")
    if here == "bin":  # commands are thin: none is built on another
        assert not {n for n in imports(path) if n.startswith(f"{NAME}.bin.")}


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_a_room_holds_few_files(name):
    files = [p for p in (PACKAGE / name).glob("*.py") if p.name != "__init__.py"]
    assert len(files) <= MOST_FILES or name in LARGER


def test_no_module_imports_a_part_of_espnet_that_moved():
    for path in MODULES:
        moved = {n for n in imports(path) if n.startswith(("espnet.nets", "espnetez"))}
        assert not moved, path


@pytest.mark.parametrize(
    "modules, unwanted",
    [
        ("losses layers.probe outputs utils.config", "espnet2"),
        ("jobs.run", "torch"),
        ("bin.report", "torch"),
    ],
)
def test_import_in_a_fresh_process_does_not_load(modules, unwanted):
    names = ", ".join(f"{NAME}.{module}" for module in modules.split())
    code = f"import sys, {names}; print({unwanted!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
