"""Write a recipe directory, ready to run: pip is all that it needs.

Scripts and configurations are those of ``egs2/librispeech_tutornet/asr1``, which a
wheel carries along.
"""

import argparse
import shutil
import sys
from pathlib import Path

from espnet_tutornet.utils.command import exit_on_error

PACKAGE = Path(__file__).resolve().parents[1]
# in a wheel, in a checkout
PLACES = (PACKAGE / "recipe", PACKAGE.parent / "egs2/librispeech_tutornet/asr1")
PARTS = ("run.sh", "tutornet.sh", "path.sh", "cmd.sh", "db.sh", "local", "conf")


def find_recipe() -> Path:
    """Return the directory that recipes are copied from.

    Raises:
        FileNotFoundError: this installation has none.
    """
    for place in PLACES:
        if (place / "tutornet.sh").is_file():
            return place
    raise FileNotFoundError(
        f"{PLACES[0]}: expected the recipe's scripts there, found none. Install "
        "espnet_tutornet with pip, from a wheel or a checkout."
    )


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="To make; must not be there")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Copy the recipe, whole or not at all."""
    directory = get_parser().parse_args(cmd).directory
    source = find_recipe()
    if directory.exists():
        raise FileExistsError(
            17, "there is something already: give a directory to make", str(directory)
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = directory.with_name(f".{directory.name}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for part in PARTS:
        path = source / part
        if path.is_dir():
            shutil.copytree(path, work / part)
        else:
            shutil.copy(path, work / part)
    for script in work.rglob("*.sh"):
        script.chmod(0o755)
    work.rename(directory)
    python = f"--python {sys.executable}"
    print(f"Wrote {directory}. Next: cd {directory} && ./run.sh {python}")


if __name__ == "__main__":
    main()
