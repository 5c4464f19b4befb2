"""Find the runs below an experiment directory, scored or not, and their first stage."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from espnet_tutornet.experiment.results import Run, read_info, read_runs
from espnet_tutornet.utils.reading import read_yaml


@dataclass(frozen=True)
class Experiment:
    """A run directory and what is known of it.

    Attributes:
        path: the directory.
        student: name of the network.
        teacher: name of the run that taught it.
        method: ``none``, ``skd``, ...
        seed: of the training.
        total_epochs: of all stages.
        config: file name of the configuration, "" where it is not known.
        first_stage: directory of the RKD run that it was started from, or None.
        frame_weights: those of that run, "" where there is none.
        scores: name of the inference configuration -> scored run.
    """

    path: Path
    student: str
    teacher: str
    method: str
    seed: int
    total_epochs: int
    config: str
    first_stage: Optional[Path] = None
    frame_weights: str = ""
    scores: Dict[str, Run] = field(default_factory=dict)


def find_experiments(expdirs: Sequence[Path]) -> Tuple[List[Experiment], List[str]]:
    """Read the runs of ``<expdir>/<run>/run.yaml``.

    Returns:
        The experiments, by path, and notes on what is missing.

    Raises:
        FileNotFoundError: an ``expdir`` is not a directory.
        ValueError: a file does not hold what it should.
    """
    experiments: List[Experiment] = []
    notes: List[str] = []
    for expdir in expdirs:
        if not expdir.is_dir():
            raise FileNotFoundError(
                f"{expdir}: no such directory, expected one with runs. Train first, or "
                "give another --expdir."
            )
        scored, found = _scored(expdir)
        notes += found
        paths = sorted(expdir.glob("*/run.yaml"))
        experiments += [_experiment(path, scored) for path in paths]
    return experiments, notes


def _scored(expdir: Path) -> Tuple[Dict[str, Dict[str, Run]], List[str]]:
    try:
        runs, notes = read_runs(expdir)
    except FileNotFoundError:  # that nothing is scored yet is no error here
        return {}, [f"{expdir.name}: no run is scored."]
    by_name: Dict[str, Dict[str, Run]] = {}
    for run in runs:
        by_name.setdefault(run.name, {})[run.inference] = run
    return by_name, notes


def _experiment(path: Path, scored: Dict[str, Dict[str, Run]]) -> Experiment:
    directory = path.parent
    scores = scored.get(directory.name, {})
    first = find_first_stage(directory)
    weights = rkd_term(first).get("frame_weights", "") if first else ""
    return Experiment(
        directory,
        **read_info(path),
        first_stage=first,
        frame_weights=weights,
        scores=scores,
    )


def find_first_stage(directory: Path) -> Optional[Path]:
    """Return the neighbour that ``init_param`` of ``config.yaml`` starts from.

    Only that line is read: the token list of a large model makes YAML slow.
    """
    config = directory / "config.yaml"
    if not config.is_file():
        return None
    text = config.read_text(encoding="utf-8")
    found = re.search(r"^init_param:\s*\n\s*- *['\"]?([^:'\"\n]+)", text, re.MULTILINE)
    if not found:
        return None
    first = directory.parent / Path(found[1]).parent.name
    return first if first.is_dir() and first != directory else None


def rkd_term(directory: Path) -> Dict:
    """Return the arguments of the first RKD term of ``distill.yaml``, {} without."""
    path = directory / "distill.yaml"
    if not path.is_file():
        return {}
    terms = read_yaml(path).get("terms") or {}
    return next((terms[name] or {} for name in terms if name.startswith("rkd")), {})


def list_students(experiments: Sequence[Experiment]) -> List[str]:
    """List the students that are not teachers, by name."""
    return sorted({e.student for e in experiments if e.method != "teacher"})


def common_inference(experiments: Sequence[Experiment]) -> str:
    """Return the inference configuration that most runs are scored with, or ""."""
    names = [name for e in experiments for name in e.scores]
    return max(sorted(set(names)), key=names.count) if names else ""
