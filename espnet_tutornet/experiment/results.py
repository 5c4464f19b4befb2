"""Read the scored runs below an experiment directory."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from espnet_tutornet.experiment.methods import rank_method
from espnet_tutornet.scoring.score import Counts, percentages
from espnet_tutornet.utils.reading import read_yaml

RUN_KEYS = ("student", "teacher", "method", "seed", "total_epochs")
SIZE_KEYS = ("parameters", "rtf")  # that every measure.json has
MORE_SIZE_KEYS = ("macs_per_second", "size_bytes", "rtf_int8")  # of newer ones


@dataclass(frozen=True)
class Run:
    """One run under one inference configuration."""

    name: str
    student: str
    teacher: str
    method: str
    seed: int
    total_epochs: int
    config: str  # file name without its folder; "" when run.yaml has none
    inference: str  # "ctc_greedy" of decode_ctc_greedy
    parameters: Optional[int] = None
    rtf: Optional[float] = None
    macs_per_second: Optional[float] = None  # multiply-accumulates a second of audio
    size_bytes: Optional[int] = None  # of the .pth
    rtf_int8: Optional[float] = None
    scores: Dict[str, Dict[str, Counts]] = field(default_factory=dict)

    def rate(self, unit: str, test_set: str) -> Optional[float]:
        """Return the error rate in percent of ``wer`` or ``cer``, None if unscored."""
        if test_set not in self.scores:
            return None
        return percentages(self.scores[test_set][unit])[4]


def read_runs(expdir: Union[str, Path]) -> Tuple[List[Run], List[str]]:
    """Read every scored run of ``<expdir>/<run>/run.yaml``.

    Returns:
        The runs, one an inference configuration, ordered by name; and notes on
        what is missing.

    Raises:
        FileNotFoundError: there is no scored run.
        ValueError: a file does not hold what it should.
    """
    expdir = Path(expdir)
    runs: List[Run] = []
    notes: List[str] = []
    paths = sorted(expdir.glob("*/run.yaml"))
    for path in paths:
        found = read_run(path)
        runs += found
        scores = path.parent.glob("decode_*/*/score.json")
        stale = len(list(scores)) - sum(len(run.scores) for run in found)
        if stale:
            notes.append(
                f"{path.parent.name}: {stale} scores are of a model that it had "
                "before, and not shown. Run stages 12 and 13."
            )
        if not found:
            notes.append(f"{path.parent.name}: skipped, it has no score.json.")
        elif found[0].parameters is None:
            notes.append(f"{path.parent.name}: no measure.json, so no size and RTF.")
    if not runs:
        what = f"none of {len(paths)} runs is scored" if paths else "no run found"
        raise FileNotFoundError(
            f"{expdir}: {what}. Looked for <run>/run.yaml and "
            "<run>/decode_<name>/<set>/score.json. "
            f"Run stage 13 (scoring){'' if paths else ' and those before it'} first."
        )
    seen: Dict[tuple, str] = {}
    for run in runs:
        twin = seen.setdefault((*row_order(run), run.seed, run.inference), run.name)
        if twin != run.name:
            notes.append(f"{run.name}: repeats seed {run.seed} of {twin}; both count.")
    return runs, notes


def read_info(path: Path) -> Dict[str, Any]:
    """Read ``run.yaml``: the ``RUN_KEYS``, and the file name of the configuration.

    Raises:
        ValueError: it is no YAML, or a key is missing.
    """
    info = read_yaml(path)
    missing = [key for key in RUN_KEYS if key not in info]
    if missing:
        raise ValueError(
            f"{path}: expected the keys {RUN_KEYS}, {missing} missing. Train the run "
            "anew or complete the file."
        )
    known = {key: info[key] for key in RUN_KEYS}
    return {**known, "config": Path(info.get("config") or "").stem}


def read_run(path: Path) -> List[Run]:
    """Read one run directory: a Run for each of its decode_<name>.

    Args:
        path: its ``run.yaml``.

    Raises:
        ValueError: a file does not hold what it should.
    """
    info = read_info(path)
    measured = path.with_name("measure.json")
    size = read_json(measured, SIZE_KEYS) if measured.is_file() else {}
    scores: Dict[str, Dict[str, Dict[str, Counts]]] = {}
    for score in find_scores(path):
        inference = score.parts[-3][len("decode_") :]
        scores.setdefault(inference, {})[score.parts[-2]] = read_json(
            score, ("wer", "cer")
        )
    return [
        Run(
            path.parent.name,
            **info,
            inference=inference,
            scores=by_set,
            **{key: size.get(key) for key in (*SIZE_KEYS, *MORE_SIZE_KEYS)},
        )
        for inference, by_set in scores.items()
    ]


def find_scores(path: Path) -> List[Path]:
    """List the scores of a run, without those of a model that it had before.

    Args:
        path: its ``run.yaml``; its key ``model`` and the file ``model`` beside a score
            say whose it is, where they are known.

    Raises:
        ValueError: the file is no YAML, or a key is missing.
    """
    model = read_yaml(path).get("model")
    found = []
    for score in sorted(path.parent.glob("decode_*/*/score.json")):
        whose = score.with_name("model")
        if not whose.is_file() or whose.read_text().strip() == model:
            found.append(score)
    return found


def read_json(path: Path, keys: Sequence[str]) -> dict:
    """Read a mapping that has ``keys``.

    Raises:
        ValueError: it is none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got {error}. Delete it.") from error
    missing = [key for key in keys if key not in values]
    if missing:
        raise ValueError(f"{path}: expected the keys {keys}, {missing} missing.")
    return values


def row_order(run: Run) -> tuple:
    """Return the place of a run in a table; runs of one row share it.

    Args:
        run: a Run, or what has its student, method, teacher, epochs and config.
    """
    # Without distillation the teacher plays no part.
    teacher = "" if run.method in ("teacher", "none") else run.teacher
    student = (run.method != "teacher", run.student, rank_method(run.method))
    return (*student, run.total_epochs, teacher, run.config)
