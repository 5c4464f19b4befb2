"""Pack an exported student with ``espnet2.bin.pack``, free of local paths."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from espnet_tutornet.experiment.card import CARD
from espnet_tutornet.utils.command import exit_on_error


def pack_student(expdir: Path) -> Path:
    """Write ``<expdir>/<name of expdir>.zip``: the export, and the model card if any.

    ``espnet2.bin.pack`` copies paths as they are, so it runs inside a copy of the
    export whose files name each other without a directory.

    Args:
        expdir: a training with an ``export`` directory.

    Returns:
        The archive.

    Raises:
        FileNotFoundError: there is no export.
        RuntimeError: ESPnet's packer failed; the message holds its last line.
    """
    export = expdir / "export"
    if not (export / "model.pth").is_file():
        raise FileNotFoundError(
            f"no {export}/model.pth: expected an exported student. Run stage 10 or 11."
        )
    archive = expdir / f"{expdir.name}.zip"
    with tempfile.TemporaryDirectory(dir=expdir, prefix=".pack") as temporary:
        work = Path(temporary) / "model"
        shutil.copytree(export, work)
        if (expdir / CARD).is_file():
            shutil.copy(expdir / CARD, work)
        text = (work / "config.yaml").read_text(encoding="utf-8")
        conf = _strip(yaml.safe_load(text), f"{export}/")
        (work / "config.yaml").write_text(
            yaml.safe_dump(conf, sort_keys=False), encoding="utf-8"
        )
        known = ("config.yaml", "model.pth")
        options = sorted(p.name for p in work.iterdir() if p.name not in known)
        command = [sys.executable, "-m", "espnet2.bin.pack", "asr"]
        command += ["--asr_train_config", "config.yaml", "--asr_model_file"]
        command += ["model.pth", "--outpath", "../packed.zip"]
        for name in options:
            command += ["--option", name]
        result = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if result.returncode != 0:
            last = (result.stderr.strip().splitlines() or ["no output"])[-1]
            raise RuntimeError(f"espnet2.bin.pack failed on {export}: {last}")
        (Path(temporary) / "packed.zip").replace(archive)
    return archive


def _strip(value, prefix: str):
    if isinstance(value, dict):
        return {key: _strip(item, prefix) for key, item in value.items()}
    if isinstance(value, list):
        return [_strip(item, prefix) for item in value]
    if isinstance(value, str) and value.startswith(prefix):
        return value[len(prefix) :]
    return value


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, required=True, help="A training")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Pack one student."""
    print(f"packed {pack_student(get_parser().parse_args(cmd).expdir)}")


if __name__ == "__main__":
    main()
