"""Nothing imports upwards, and what is light stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import espnet_tutornet

PACKAGE = Path(espnet_tutornet.__file__).parent
NAME = PACKAGE.name
FLOORS = {
    "__init__": 0,
    "config": 1,
    "outputs": 1,
    "recipe": 1,
    "losses": 2,
    "layers": 2,
    "encoder": 2,
    "asr": 3,
    "teacher": 3,
    "tasks": 4,
    "report": 4,
    "bin": 5,
}
HEAVY_REPORTS = ["recognition"]  # loads models; the rest of the room starts at once
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
    used = rooms_used(path)
    upwards = {other for other in used if FLOORS[other] > FLOORS[here]}
    assert not upwards, f"{path} imports upwards: {upwards}"
    if here in ("losses", "layers", "outputs", "config"):
        assert not tops(path) & {"espnet2", "espnet", "espnet3", "espnetez"}
        assert "recipe" not in used
    if here == "recipe":
        heavy = {"torch", "torchaudio", "espnet", "espnet2", "espnet3"}
        assert not tops(path) & heavy
        assert used <= {"recipe"}
    if here == "asr":
        assert "teacher" not in used
    if here == "teacher":
        assert "asr" not in used
    if here == "report" and path.stem not in HEAVY_REPORTS:
        assert not tops(path) & {"torch", "torchaudio", "espnet", "espnet2", "espnet3"}
        assert used <= {"recipe", "report"}
    if here == "encoder":
        assert used <= {"encoder", "config"}
    if "encoder" in used:
        assert here in ("encoder", "teacher", "tasks", "bin")


def test_no_module_imports_a_part_of_espnet_that_moved():
    for path in MODULES:
        moved = {n for n in imports(path) if n.startswith(("espnet.nets", "espnetez"))}
        assert not moved, path


@pytest.mark.parametrize(
    "modules, unwanted",
    [
        ("losses layers.probe outputs config", "espnet2"),
        ("bin.run_jobs", "torch"),
        ("bin.html_report", "torch"),
    ],
)
def test_import_in_a_fresh_process_does_not_load(modules, unwanted):
    names = ", ".join(f"{NAME}.{module}" for module in modules.split())
    code = f"import sys, {names}; print({unwanted!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
