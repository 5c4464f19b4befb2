"""Tables of scored runs, over their seeds."""

import csv
from statistics import mean, stdev
from typing import IO, Dict, List, Optional, Sequence, Tuple

from tabulate import tabulate

from espnet_tutornet.experiment.methods import name_method
from espnet_tutornet.experiment.results import (
    MORE_SIZE_KEYS,
    RUN_KEYS,
    Run,
    row_order,
)
from espnet_tutornet.scoring.score import COLUMNS, percentages
from espnet_tutornet.utils.seeds import group_seeds, known, mean_known, tell_apart


def list_sets(runs: Sequence[Run]) -> List[str]:
    """List the test sets that any of ``runs`` has a score for."""
    return sorted({test_set for run in runs for test_set in run.scores})


def write_csv(runs: Sequence[Run], f: IO) -> None:
    """Write one tidy row a run and inference; an unknown value stays empty."""
    sets = list_sets(runs)
    names = ["run", *RUN_KEYS, "parameters", "rtf", "inference"]
    columns = [(unit, test_set) for test_set in sets for unit in ("wer", "cer")]
    writer = csv.writer(f, lineterminator="\n")
    scored = [f"{unit}_{test_set}" for unit, test_set in columns]
    writer.writerow([*names, *scored, *MORE_SIZE_KEYS])
    for run in runs:
        row = [run.name, *(getattr(run, key) for key in RUN_KEYS), run.parameters]
        rates = [format_number(run.rate(*column), 2, "") for column in columns]
        row += [format_number(run.rtf, 4, ""), run.inference, *rates]
        row += [format_number(run.macs_per_second, 0, ""), run.size_bytes]
        writer.writerow([*row, format_number(run.rtf_int8, 4, "")])


def format_number(value: Optional[float], digits: int, unknown: str = "-") -> str:
    """Round a number for a table; None is ``unknown``."""
    return unknown if value is None else f"{value:.{digits}f}"


def format_size(parameters: float) -> str:
    """Write a count of parameters in thousands or millions."""
    if parameters < 1e6:
        return f"{parameters / 1e3:.0f} k"
    return f"{parameters / 1e6:.2f} M"


def summarise(runs: Sequence[Run]) -> Tuple[List[str], List[List[str]]]:
    """Tabulate runs of one inference over their seeds.

    Runs share a row when student, method, epochs, teacher and config agree. The
    change is that of the mean WER against ``none`` of the same student, and of the
    same epochs where there are several; a negative one is a gain.

    Returns:
        The header and the rows: teachers first, then student by student with the
        methods in the order of :func:`rank_method`.
    """
    sets = list_sets(runs)
    groups = group_seeds(runs, row_order)
    header = ["Student", "Method", "Params", "Epochs", "Seeds"]
    header += [f"{unit} {name}" for name in sets for unit in ("WER", "CER")]
    header += ["RTF", *(f"WER change {name}" for name in sets)]
    rows = []
    for group in groups.values():
        first = group[0]
        parameters = mean_known(run.parameters for run in group)
        params = "-" if parameters is None else format_size(parameters)
        row = [first.student, _label(first, groups), params]
        row += [str(first.total_epochs), str(len(group))]
        for name in sets:
            row.append(format_spread(_rates(group, "wer", name), len(group)))
            row.append(format_number(mean_known(_rates(group, "cer", name)), 2))
        row.append(format_number(mean_known(run.rtf for run in group), 4))
        baseline = _find_baseline(first, groups)
        row += [_change(group, baseline, name) for name in sets]
        rows.append(row)
    return header, rows


def _label(run: Run, groups: Dict[tuple, List[Run]]) -> str:
    """Name the method, and what tells it from other rows with the same name."""
    ours = row_order(run)
    alike = [key[4:] for key in groups if key[:4] == ours[:4]]
    details = [(f"from {teacher}", conf or "no config") for teacher, conf in alike]
    own = details[alike.index(ours[4:])]
    return tell_apart(name_method(run.method), own, details)


def _find_baseline(run: Run, groups: Dict[tuple, List[Run]]) -> Optional[List[Run]]:
    """Find the one group without distillation to compare with, if there is one."""
    if run.method in ("teacher", "none"):
        return None
    found = [
        group
        for group in groups.values()
        if (group[0].method, group[0].student) == ("none", run.student)
    ]
    if len(found) > 1:
        found = [group for group in found if group[0].total_epochs == run.total_epochs]
    return found[0] if len(found) == 1 else None


def _rates(group: Sequence[Run], unit: str, test_set: str) -> List[float]:
    return known(run.rate(unit, test_set) for run in group)


def format_spread(values: Sequence[float], seeds: int) -> str:
    """Show mean, sample standard deviation and range, and when seeds are missing."""
    if not values:
        return "-"
    text = f"{mean(values):.2f}"
    if len(values) > 1:
        text += f" ± {stdev(values):.2f} ({min(values):.2f}-{max(values):.2f})"
    found = len(values)
    return text if found == seeds else f"{text}, {found} seed{'s' * (found > 1)}"


def _change(
    group: Sequence[Run], baseline: Optional[Sequence[Run]], test_set: str
) -> str:
    ours = mean_known(_rates(group, "wer", test_set))
    theirs = mean_known(_rates(baseline or [], "wer", test_set))
    return f"{100 * (ours / theirs - 1):+.1f}%" if ours is not None and theirs else "-"


def format_summary(runs: Sequence[Run], style: str) -> str:
    """Render :func:`summarise` under a heading for each inference configuration.

    Args:
        runs: as :func:`read_runs` gives them.
        style: a table format of tabulate: ``github`` for files, ``simple`` for a
            terminal.
    """
    parts = []
    for inference in sorted({run.inference for run in runs}):
        header, rows = summarise([run for run in runs if run.inference == inference])
        table = tabulate(rows, header, tablefmt=style, disable_numparse=True)
        parts.append(f"## Summary: decode_{inference}\n\n{table}\n")
    return "\n".join(parts)


def format_scores(runs: Sequence[Run]) -> str:
    """Render the tables of ESPnet's show_asr_result.sh: ``### WER``, ``### CER``."""
    lines = ["## Scores", ""]
    for unit in ("wer", "cer"):
        lines += [f"### {unit.upper()}", "", f"|dataset|{'|'.join(COLUMNS)}|"]
        lines.append("|---" * (len(COLUMNS) + 1) + "|")
        for run in runs:
            for test_set, scores in run.scores.items():
                counts = scores[unit]
                rates = "|".join(f"{value:.1f}" for value in percentages(counts))
                name = f"decode_{run.inference}_{run.name}/{test_set}"
                lines.append(f"|{name}|{counts['Snt']}|{counts['Wrd']}|{rates}|")
        lines.append("")
    return "\n".join(lines)
