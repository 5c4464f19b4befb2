"""The summary of a comparison: means, spreads, and what may be chance."""

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from tabulate import tabulate

from espnet_tutornet.compare.records import (
    ErrorTable,
    Row,
    read_records,
    scored_sets,
)
from espnet_tutornet.experiment.methods import name_method, rank_method
from espnet_tutornet.experiment.tables import format_number, format_size, format_spread
from espnet_tutornet.scoring.significance import (
    Difference,
    Errors,
    compare_seeds,
    correct_p_values,
)
from espnet_tutornet.utils.seeds import group_seeds, mean_known

TEACHER = "teacher"  # as a baseline: the one training, against every seed
Group = Tuple[str, str]  # student and method
NOTE = """\
WER and CER in percent: mean, sample standard deviation and range over the seeds. The
change is the WER minus that of the {baseline}, in
points, with the 95 % interval and the two-sided p-value of a paired bootstrap over
utterances ({resamples} resamples), seeds matched. It tells whether these very trainings
differ on other utterances; whether other seeds would, the spread has to say. The
p-values are corrected (Holm 1979) for the number of methods of that student. A dash:
the baseline itself, or runs whose errors in each utterance were not kept.
"""


def summarise_comparison(
    out: Path, baseline: str = "none", resamples: int = 1000
) -> str:
    """Summarise ``<out>/results.csv`` in Markdown, a table a setting.

    Args:
        out: directory of the comparison, or of its records: results.csv, errors.csv.
        baseline: the method that the others are compared with; or ``teacher``.
        resamples: of the bootstrap.

    Raises:
        FileNotFoundError: there is no results.csv or errors.csv.
        ValueError: a file does not hold what it should.
    """
    records = read_records(out)
    rows = records.rows
    done = [row for row in rows if row["status"] == "done" and row["role"] != "search"]
    failed = [row for row in rows if row["status"] == "failed"]
    lines = [f"# Comparison: {out.resolve().name}", ""]
    if not any(row["role"] == "final" for row in done):
        ended = sum(row["status"] == "done" for row in rows)
        lines.append(
            f"No run to compare has ended yet. Of {len(rows)} in results.csv, teachers "
            f"and search included: {ended} done, {len(failed)} failed.\n"
        )
    for setting in dict.fromkeys(row["setting"] for row in done):
        chosen = [row for row in done if row["setting"] == setting]
        table = _tabulate(records.errors, chosen, baseline, resamples)
        lines += [f"## {setting}", "", table, "", *_warn_of_teachers(chosen)]
    if len(lines) > 3:
        theirs = f"same student with the method `{baseline}`"
        if baseline == TEACHER:
            theirs = "teacher, one training for all seeds"
        lines.append(NOTE.format(baseline=theirs, resamples=resamples))
    if failed:
        lines += ["## Failed", ""]
    for row in failed:
        last = (row["failure"].splitlines() or ["no log"])[-1]
        lines.append(f"- `{row['run']}`: {last}")
    return "\n".join(lines).rstrip() + "\n"


def _tabulate(
    table: ErrorTable, rows: Sequence[Row], baseline: str, resamples: int
) -> str:
    """Tabulate the runs of one setting: a row for a student and method."""
    sets = sorted({name for row in rows for name in scored_sets(row)})
    found = group_seeds(rows, _order, seed=lambda row: int(row["seed"]))
    groups = {(g[0]["student"], g[0]["method"]): g for g in found.values()}
    rated = any(row["learning_rate"] for row in rows)
    header = ["Student", "Method", *["Learning rate"] * rated, "Params", "Epochs"]
    header += ["Seeds", *(f"{unit} {name}" for name in sets for unit in ("WER", "CER"))]
    header += [f"Change {name}" for name in sets] + ["RTF", "Training"]
    lines = []
    changes = {
        name: _compare_all(table, groups, baseline, name, resamples) for name in sets
    }
    for (student, method), group in groups.items():
        first = group[0]
        line = [student, name_method(method), *[first["learning_rate"]] * rated]
        parameters = _mean(group, "parameters")
        size = "-" if parameters is None else format_size(parameters)
        line += [size, first["total_epochs"]]
        line.append(str(len(group)))
        for name in sets:
            line.append(format_spread(_values(group, f"wer_{name}"), len(group)))
            line.append(format_number(_mean(group, f"cer_{name}"), 2))
        for name in sets:
            line.append(_format_difference(changes[name].get((student, method))))
        seconds = _mean(group, "train_seconds")
        line += [format_number(_mean(group, "rtf"), 4), _format_time(seconds)]
        lines.append(line)
    return tabulate(lines, header, tablefmt="github", disable_numparse=True)


def _warn_of_teachers(rows: Sequence[Row]) -> List[str]:
    """Say it where the runs of a table had several teachers: they do not compare."""
    runs: Dict[str, List[str]] = {}
    for row in rows:
        if row["teacher"]:
            runs.setdefault(row["teacher"], []).append(row["run"])
    if len(runs) < 2:
        return []
    parts = [f"{teacher}: {', '.join(names)}" for teacher, names in runs.items()]
    return [f"**Trained under {len(runs)} teachers**, by hash: {'; '.join(parts)}.", ""]


def _order(row: Row) -> tuple:
    return row["method"] != TEACHER, row["student"], rank_method(row["method"])


def _values(group: Sequence[Row], column: str) -> List[float]:
    return [float(row[column]) for row in group if row[column]]


def _mean(group: Sequence[Row], column: str) -> Optional[float]:
    return mean_known(_values(group, column))


def _compare_all(
    table: ErrorTable,
    groups: Mapping[Group, List[Row]],
    baseline: str,
    test_set: str,
    resamples: int,
) -> Dict[Group, Difference]:
    """Compare every method with ``baseline``; correct the p-values by student."""
    found: Dict[Group, Difference] = {}
    for student in dict.fromkeys(student for student, _ in groups):
        theirs = [
            row
            for (name, method), rows in groups.items()
            if method == baseline and (name == student or method == TEACHER)
            for row in rows
        ]
        ours = {
            key: _compare(table, group, theirs, test_set, resamples)
            for key, group in groups.items()
            if key[0] == student and key[1] != baseline
        }
        known = {key: each for key, each in ours.items() if each is not None}
        corrected = correct_p_values([each.p_value for each in known.values()])
        for (key, each), p_value in zip(known.items(), corrected):
            found[key] = replace(each, p_value=p_value)
    return found


def _compare(
    table: ErrorTable,
    group: List[Row],
    baseline: List[Row],
    test_set: str,
    resamples: int,
) -> Optional[Difference]:
    ours, theirs = (_errors(table, rows, test_set) for rows in (group, baseline))
    if any(row["role"] == TEACHER for row in baseline):
        theirs = {seed: errors for errors in theirs.values() for seed in ours}
    return compare_seeds(ours, theirs, resamples=resamples)


def _errors(table: ErrorTable, rows: Sequence[Row], test_set: str) -> Dict[int, Errors]:
    """Return the errors by seed, of the seeds that they are known of."""
    found = {int(row["seed"]): table.get((row["run"], test_set)) for row in rows}
    return {seed: errors for seed, errors in found.items() if errors}


def _format_difference(difference: Optional[Difference]) -> str:
    """Write the rate, the interval and p."""
    if difference is None:
        return "-"
    interval = f"{difference.low:+.2f} to {difference.high:+.2f}"
    return f"{difference.rate:+.2f} ({interval}), p = {difference.p_value:.3f}"


def _format_time(seconds: Optional[float]) -> str:
    if seconds is None:
        return "-"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
