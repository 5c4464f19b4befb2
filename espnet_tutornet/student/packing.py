"""Pack a student for others: an archive of ESPnet's, and a model card in it."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Mapping, Optional

import yaml

from espnet_tutornet.experiment.card import CARD, format_card
from espnet_tutornet.experiment.layout import name_decoding
from espnet_tutornet.experiment.results import Run, read_runs
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import read_yaml


def write_card(
    expdir: Path, inference_config: Path, sim_chunk_length: Optional[int] = None
) -> None:
    """Write ``<expdir>/MODEL_CARD.md`` from what was measured and scored.

    Args:
        expdir: a training, beside that of its teacher.
        inference_config: ``decode_<name>.yaml`` that the scores were made with.
        sim_chunk_length: samples that a streaming decoding got at a time.

    Raises:
        FileNotFoundError: student or teacher have no scores of this decoding.
        ValueError: a file does not hold what it should.
    """
    inference = name_decoding(inference_config)
    decoding = read_yaml(inference_config, "a decoding")
    if sim_chunk_length is not None:
        decoding["sim_chunk_length"] = sim_chunk_length
    found, _ = read_runs(expdir.parent)
    runs = {run.name: run for run in found if run.inference == inference}
    student = _find(runs, expdir.name, expdir.parent)
    teacher = _find(runs, student.teacher, expdir.parent)
    with atomic_write(expdir / CARD) as f:
        f.write(format_card(student, teacher, expdir, decoding))


def _find(runs: Mapping[str, Run], name: str, expdir: Path) -> Run:
    if name not in runs:
        raise FileNotFoundError(
            f"{expdir / name}: no score.json of this --inference_config. Run stages 12 "
            "(decoding) and 13 (scoring) first."
        )
    return runs[name]


def pack_student(expdir: Path) -> Path:
    """Write ``<expdir>/<name of expdir>.zip``: the export and its card, if any.

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
        conf = _strip(read_yaml(work / "config.yaml"), f"{export}/")
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
