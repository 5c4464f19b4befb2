"""Draw scores, training curves and confusions."""

from math import log
from statistics import mean
from typing import Dict, List, Sequence, Tuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from espnet_tutornet.experiment.card import format_count
from espnet_tutornet.report.confusions import Confusion
from espnet_tutornet.report.curves import Curves
from espnet_tutornet.report.pictures import METHOD_STYLES, Styles, add_legend
from espnet_tutornet.report.points import Point, pareto_front
from espnet_tutornet.report.scales import spans, use_log_scale

MAX_NAMES = 8  # of students above their points
MAX_WORD = 14  # letters of a confusion, beside which bars have room
LETTER = 0.018  # width of a letter of theirs, as a share of the axes
MAX_SPAN, MAX_LOSS_SPAN = 8, 20  # largest over smallest value of a linear scale
LABELS = {"parameters": "parameters", "rtf": "real-time factor, one CPU thread"}
LINES = {"valid": "-", "train": ":"}


def draw_costs(
    figure: Figure, points: Sequence[Point], styles: Styles, test_set: str, cost: str
):
    """Draw WER against ``parameters`` or ``rtf``: means, ranges and the Pareto front.

    Args:
        figure: to draw on.
        points: those with that cost and a score of ``test_set``.
        styles: of their labels.
        test_set: name.
        cost: attribute of a point.
    """
    axes = figure.subplots()
    places = [(getattr(p, cost), mean(p.wer[test_set])) for p in points]
    front = [places[index] for index in pareto_front(places)]
    axes.plot(
        *zip(*front),
        "--",
        color="#777777",
        drawstyle="steps-post",
        label="Pareto front",
    )
    beside = _set_beside(points, [x for x, _ in places])
    for label in dict.fromkeys(p.label for p in points):
        color, marker = styles[label]
        chosen = [n for n, p in enumerate(points) if p.label == label]
        ys = [places[n][1] for n in chosen]
        ranges = [points[n].wer[test_set] for n in chosen]
        below = [y - min(values) for y, values in zip(ys, ranges)]
        above = [max(values) - y for y, values in zip(ys, ranges)]
        size = 9 if marker == "*" else 6
        style = {"fmt": marker, "color": color, "markersize": size, "label": label}
        xs = [beside[n] for n in chosen]
        axes.errorbar(xs, ys, (below, above), capsize=2, elinewidth=1, **style)
    axes.set_xlabel(LABELS[cost])
    show = format_count if cost == "parameters" else "{:g}".format
    use_log_scale(axes.xaxis, [x for x, _ in places], 1.7, show)
    errors = [value for p in points for value in p.wer[test_set]]
    if spans(errors, MAX_SPAN):
        use_log_scale(axes.yaxis, errors, 1.2)
    else:
        axes.set_ylim(0, 1.1 * max(errors) or 1.0)
    _name_students(axes, points, [x for x, _ in places])
    axes.set_ylabel(f"WER {test_set} (%)")
    add_legend(figure)


def _set_beside(points: Sequence[Point], xs: Sequence[float]) -> List[float]:
    """Part points of one student at one place, which would hide each other."""
    step = (4 * max(xs) / min(xs)) ** 0.02
    moved = list(xs)
    for student in {p.student for p in points}:
        ours = [n for n, p in enumerate(points) if p.student == student]
        if max(xs[n] for n in ours) > 1.02 * min(xs[n] for n in ours):
            continue
        for place, n in enumerate(ours):
            moved[n] = xs[n] * step ** (place - (len(ours) - 1) / 2)
    return moved


def _name_students(axes, points: Sequence[Point], xs: Sequence[float]) -> None:
    """Write each name once, above the axes, on the lowest line that has room."""
    low, high = (log(limit) for limit in axes.get_xlim())
    shares: Dict[str, List[float]] = {}
    for point, x in zip(points, xs):
        shares.setdefault(point.student, []).append((log(x) - low) / (high - low))
    places = sorted((mean(found), name) for name, found in shares.items())
    ends: List[float] = []  # of what is written on each line
    for place, name in places[:MAX_NAMES]:
        width = LETTER * len(name)
        left = min(max(place - width / 2, 0.0), max(1.0 - width, 0.0))
        lines = [n for n, end in enumerate(ends) if left > end]
        line = lines[0] if lines else len(ends)
        ends[line : line + 1] = [left + width]
        style = {"transform": axes.transAxes, "clip_on": False}
        top = 1.02 + 0.06 * line
        axes.plot([place] * 2, [0, top], ":", color="#999999", linewidth=0.8, **style)
        style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.text(left, top, name, fontsize=7, va="bottom", **style)


def draw_methods(
    figure: Figure, points: Sequence[Point], styles: Styles, test_set: str
):
    """Draw a row a point: each seed a ring, their mean a bar."""
    axes = figure.subplots()
    names: List[str] = []
    for row, point in enumerate(points):
        color, marker = styles[point.label]
        values = point.wer[test_set]
        axes.plot(mean(values), row, "|", color=color, markersize=15, mew=2.5)
        axes.plot(values, [row] * len(values), marker, color=color, mfc="none")
        new = row == 0 or points[row - 1].student != point.student
        names.append(f"{point.student}\n{point.label}" if new else point.label)
        if new and row:
            axes.axhline(row - 0.5, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(points)), names, fontsize=8)
    axes.set_ylim(len(points) - 0.5, -0.5)
    errors = [value for p in points for value in p.wer[test_set]]
    if spans(errors, MAX_SPAN):
        use_log_scale(axes.xaxis, errors, 1.1)
    else:
        axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"WER {test_set} (%)")


def draw_curves(
    figure: Figure,
    term: str,
    lines: Sequence[Tuple[str, Curves, int]],
    styles: Styles,
):
    """Draw one loss of several runs over the epochs of both stages.

    Args:
        figure: to draw on.
        term: logged key.
        lines: label, curves, and epochs of the first stage (0: one stage).
        styles: of the labels.
    """
    axes = figure.subplots()
    values = []
    for label, curves, first in lines:
        color, marker = styles[label]
        for mode, dashes in LINES.items():
            line = curves.get(mode, {}).get(term, {})
            values += line.values()
            for stage in _split(line, first):
                style = {"marker": marker} if mode == "valid" else {}
                axes.plot(
                    *zip(*stage),
                    dashes,
                    color=color,
                    markersize=3.5,
                    mfc="none",
                    **style,
                )
        axes.plot([], [], "-", color=color, marker=marker, mfc="none", label=label)
        if first:
            axes.axvline(first + 0.5, color="#999999", linewidth=0.8)
    if spans(values, MAX_LOSS_SPAN):
        use_log_scale(axes.yaxis, values, 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(term)
    add_legend(figure)


def _split(line, first: int):
    """Part the stages, whose losses are not the same sum."""
    points = sorted(line.items())
    stages = ([p for p in points if p[0] <= first], [p for p in points if p[0] > first])
    return [stage for stage in stages if stage]


def _cut(word: str) -> str:
    return word if len(word) <= MAX_WORD else f"{word[: MAX_WORD - 1]}…"


def draw_confusions(
    figure: Figure, fixed: Sequence[Confusion], broken: Sequence[Confusion]
):
    """Draw the counts before and after, of rarer and of more frequent confusions."""
    parts = [("rarer", fixed), ("more frequent", broken)]
    parts = [(title, found) for title, found in parts if found]
    sizes = [len(found) + 1 for _, found in parts]
    grid = figure.subplots(len(parts), squeeze=False, height_ratios=sizes, sharex=True)
    for axes, (title, found) in zip(grid[:, 0], parts):
        rows = range(len(found))
        bars = [
            ([c.before for c in found], -0.2, METHOD_STYLES["none"][0], "//", "before"),
            ([c.after for c in found], 0.2, METHOD_STYLES["skd"][0], None, "after"),
        ]
        for counts, shift, color, hatch, label in bars:
            places = [row + shift for row in rows]
            style = {"color": color, "hatch": hatch, "edgecolor": "white"}
            axes.barh(places, counts, 0.38, linewidth=0, label=label, **style)
        names = [f"{_cut(c.reference)} → {_cut(c.recognised)}" for c in found]
        axes.set_yticks(rows, names, fontsize=8)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_title(f"{title} with distillation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[-1, 0].set_xlabel("times, over all seeds in common")
    add_legend(figure)
