"""The results of a comparison: how its trials ended, as rows of results.csv."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from espnet_tutornet.recipe.files import atomic_write
from espnet_tutornet.recipe.grid import Setting
from espnet_tutornet.recipe.results import Run, format_number, list_sets, read_run
from espnet_tutornet.recipe.trials import Trial

MARKER = ".compare.done"  # in a run's directory: the hash of what it depends on
COLUMNS = (
    *("study", "setting", "role", "student", "method", "learning_rate", "seed"),
    *("config", "status", "total_epochs", "train_seconds", "parameters", "rtf"),
)
LAST_COLUMNS = ("inference", "run", "failure")
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
    if outcome.status != "done" or outcome.run:
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


def read_seconds(log: Path) -> Optional[float]:
    """Read what run_jobs wrote at the end of a log, ``# ended, 12.3 s``, or None."""
    words = read_tail(log, 1).split()
    return float(words[2]) if words[:2] == ["#", "ended,"] else None


def write_results(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write a tidy row for each trial; what is not known stays empty."""
    sets = list_sets([outcome.run for outcome in outcomes if outcome.run])
    scores = [(unit, name) for name in sets for unit in ("wer", "cer")]
    with atomic_write(path) as f:
        writer = csv.writer(f, lineterminator="\n")
        names = [f"{unit}_{name}" for unit, name in scores]
        writer.writerow([*COLUMNS, *names, *LAST_COLUMNS])
        for outcome in outcomes:
            writer.writerow(_row(outcome, scores))


def _row(outcome: Outcome, scores: Sequence[tuple]) -> List:
    trial, run = outcome.trial, outcome.run
    row = [trial.setting.study, trial.setting.name, outcome.role]
    row += [trial.student_name, trial.method, trial.rate]
    row += [trial.seed, outcome.config[:10], outcome.status]
    row.append(run.total_epochs if run else trial.setting.options.get("total_epochs"))
    row.append(format_number(outcome.train_seconds, 1, ""))
    row += [run.parameters if run else "", format_number(run and run.rtf, 4, "")]
    row += [format_number(run and run.rate(*score), 2, "") for score in scores]
    return [*row, outcome.inference, outcome.directory, outcome.failure]


def read_results(path: Path) -> List[Dict[str, str]]:
    """Read results.csv.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it lacks columns.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. Run the comparison first.")
    with path.open(encoding="utf-8", newline="") as f:
        reader = csv.DictReader(f)
        names = reader.fieldnames or []
        missing = [name for name in (*COLUMNS, *LAST_COLUMNS) if name not in names]
        if missing:
            raise ValueError(
                f"{path}: expected the columns of a comparison, {', '.join(missing)} "
                "missing. Remove the file and run the comparison again."
            )
        return list(reader)


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
        wer = outcome.run.rate("wer", valid_set) if outcome.run else None
        by_rate = rates.setdefault((trial.student, trial.method), {})
        by_rate.setdefault(trial.rate, []).append(float("inf") if wer is None else wer)
    return {
        pair: min(found, key=lambda r: sum(found[r])) for pair, found in rates.items()
    }
