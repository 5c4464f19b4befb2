"""The outcomes of a comparison: how its trials ended, and their rows of results."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from espnet_tutornet.compare.grid import Setting
from espnet_tutornet.compare.records import HASH_LENGTH, ErrorTable, Row
from espnet_tutornet.compare.trials import Trial
from espnet_tutornet.experiment.results import Run, read_run
from espnet_tutornet.experiment.tables import format_number
from espnet_tutornet.scoring.significance import read_errors

MARKER = ".compare.done"  # in a run's directory: the hash of what it depends on
TAIL = 4096  # bytes of a log that its last lines are looked for in


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        trial: the trial.
        role: final, or search where it was only a candidate; teacher.
        status: done, failed or waiting.
        config: hash of what it depends on, its seed aside.
        directory: of the run, below that of the comparison.
        inference: ``ctc_greedy`` of decode_ctc_greedy.
        failure: the last lines of the log.
        run: its sizes and scores, where it is done.
        train_seconds: of its trainings, stage 1 included; from their last starts.
        recorded: its row in the results of an earlier comparison, which stands for it.
    """

    trial: Trial
    role: str
    status: str
    config: str
    directory: str
    inference: str
    failure: str = ""
    run: Optional[Run] = None
    train_seconds: Optional[float] = None
    recorded: Optional[Row] = None


def read_tail(path: Path, lines: int = 10) -> str:
    """Return the last lines of a log; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as f:
        f.seek(max(path.stat().st_size - TAIL, 0))
        text = f.read().decode("utf-8", errors="replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])


def is_marked(out: Path, trial: Trial, stamp: str) -> bool:
    """Tell whether a trial is complete with the inputs that gave ``stamp``."""
    marker = out / trial.directory / MARKER
    return marker.is_file() and marker.read_text().strip() == stamp


def has_students(expdir: Path, since: float) -> bool:
    """Tell whether a training of a student, in either stage, has logged since then."""
    logs = expdir.glob("*_seed*/train.log")
    return any(log.stat().st_mtime > since for log in logs)


def find_failure(out: Path, trial: Trial, inference: str) -> str:
    """Return the last lines of the first log that did not end well, else nothing.

    Args:
        out: directory of the comparison, after run.sh has ended with ``keep_going``.
        trial: the trial.
        inference: ``ctc_greedy`` of decode_ctc_greedy.
    """
    run = out / trial.directory
    steps = [(run, "train"), (run, "export")]
    if trial.first_directory:
        steps.insert(0, (out / trial.first_directory, "train"))
    sets = sorted(path for path in run.glob(f"decode_{inference}/*/") if path.is_dir())
    steps += [(path, "decode") for path in sets]
    for folder, step in steps:
        if not (folder / f".{step}.done").is_file():
            log = folder / f"{step}.log"
            return read_tail(log) or f"{log.relative_to(out)}: not begun"
    unscored = [path.name for path in sets if not (path / "score.json").is_file()]
    if unscored or not sets:
        return f"not scored: {' '.join(unscored) or 'any set'}"
    return ""


def read_outcome(out: Path, outcome: Outcome) -> Outcome:
    """Add sizes, scores and seconds to a trial that is done.

    Raises:
        ValueError: a file does not hold what it should.
    """
    if outcome.status != "done" or outcome.run or outcome.recorded:
        return outcome
    folder = out / outcome.directory
    runs = {run.inference: run for run in read_run(folder / "run.yaml")}
    trainings = [folder]
    if outcome.trial.first_directory and outcome.role != "teacher":
        trainings.append(out / outcome.trial.first_directory)
    seconds = [read_seconds(path / "train.log") for path in trainings]
    known = [value for value in seconds if value is not None]
    total = sum(known) if len(known) == len(trainings) else None
    return replace(outcome, run=runs.get(outcome.inference), train_seconds=total)


def find_teacher(out: Path, setting: Setting, inference: str) -> List[Outcome]:
    """Find the teacher of a setting, where run.sh has linked it and it is scored."""
    found = []
    for path in sorted((out / "exp" / setting.name).glob("*/run.yaml")):
        if path.parent.is_symlink():
            outcome = Outcome(
                trial=Trial(setting, path.parent.name, "teacher", 0),
                role="teacher",
                status="done",
                config="",
                directory=str(path.parent.relative_to(out)),
                inference=inference,
            )
            found.append(read_outcome(out, outcome))
    return [outcome for outcome in found if outcome.run]


def identify_teacher(cache: Path) -> str:
    """Read which teacher a cache of outputs is of; empty where there is no cache."""
    path = cache / "manifest.json"
    if not path.is_file():
        return ""
    return json.loads(path.read_text(encoding="utf-8"))["fingerprint"][:HASH_LENGTH]


def recorded_teacher(setting: Setting, row: Row) -> Outcome:
    """Return the teacher of an earlier comparison from its row."""
    trial = Trial(setting, row["student"], "teacher", 0)
    directory = f"exp/{setting.name}/{Path(row['run']).name}"
    where = dict(directory=directory, inference=row["inference"])
    return Outcome(trial, "teacher", "done", row["config"], **where, recorded=row)


def read_seconds(log: Path) -> Optional[float]:
    """Read what a job wrote at the end of a log, ``# ended, 12.3 s``, or None."""
    words = read_tail(log, 1).split()
    return float(words[2]) if words[:2] == ["#", "ended,"] else None


def describe_outcome(outcome: Outcome) -> Row:
    """Return the row of results.csv; what is not known is empty."""
    trial, run = outcome.trial, outcome.run
    row = {
        "study": trial.setting.study,
        "setting": trial.setting.name,
        "role": outcome.role,
        "student": trial.student_name,
        "method": trial.method,
        "learning_rate": trial.rate,
        "seed": str(trial.seed),
        "run": outcome.directory,
    }
    if outcome.recorded:
        return {**outcome.recorded, **row}
    epochs = trial.setting.options.get("total_epochs", "")
    row |= {
        "config": outcome.config[:HASH_LENGTH],
        "status": outcome.status,
        "total_epochs": str(run.total_epochs) if run else epochs,
        "train_seconds": format_number(outcome.train_seconds, 1, ""),
        "parameters": str(run.parameters or "") if run else "",
        "rtf": format_number(run and run.rtf, 4, ""),
        "inference": outcome.inference,
        "failure": outcome.failure,
    }
    for name in run.scores if run else ():
        for unit in ("wer", "cer"):
            row[f"{unit}_{name}"] = format_number(run.rate(unit, name), 2, "")
    return row


def find_errors(out: Path, outcome: Outcome) -> ErrorTable:
    """Read the errors in the utterances of each set that a run was scored on.

    Raises:
        FileNotFoundError: a set has a score and no report.
        ValueError: a report shows no utterance.
    """
    decoded = out / outcome.directory / f"decode_{outcome.inference}"
    return {
        (outcome.directory, name): read_errors(decoded / name / "score_wer/result.txt")
        for name in (outcome.run.scores if outcome.run else ())
    }


def choose_rates(outcomes: Sequence[Outcome], valid_set: str) -> Mapping[tuple, str]:
    """Choose the learning rate of each student and method: the best on the dev set.

    Args:
        outcomes: of a search.
        valid_set: its mean WER over the seeds decides; of equal ones, the first rate.

    Returns:
        Rates by student and method. One that failed with any seed comes last.
    """
    rates: Dict[tuple, Dict[str, List[float]]] = {}
    for outcome in outcomes:
        trial = outcome.trial
        wer = float(describe_outcome(outcome).get(f"wer_{valid_set}") or "inf")
        by_rate = rates.setdefault((trial.student, trial.method), {})
        by_rate.setdefault(trial.rate, []).append(wer)
    return {
        pair: min(found, key=lambda r: sum(found[r])) for pair, found in rates.items()
    }
