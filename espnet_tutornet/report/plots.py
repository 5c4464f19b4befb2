"""Draw scores, training curves and confusions."""

from statistics import mean
from typing import Dict, List, Sequence, Tuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from espnet_tutornet.recipe.card import format_count
from espnet_tutornet.report.confusions import Confusion
from espnet_tutornet.report.curves import Curves
from espnet_tutornet.report.pictures import METHOD_STYLES, add_legend, choose_styles
from espnet_tutornet.report.points import Point, pareto_front

MAX_NAMES = 8  # of students above their points
NAME_WIDTH = 0.35  # share of the axis that a name may take
LINES = {"valid": "-", "train": ":"}


def draw_costs(figure: Figure, points: Sequence[Point], test_set: str, cost: str):
    """Draw WER against ``parameters`` or ``rtf``: means, ranges and the Pareto front.

    Args:
        figure: to draw on.
        points: those with that cost and a score of ``test_set``.
        test_set: name.
        cost: attribute of a point.
    """
    axes = figure.subplots()
    styles = choose_styles([(p.method, p.label) for p in points])
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
    for label, (color, marker) in styles.items():
        chosen = [n for n, p in enumerate(points) if p.label == label]
        ys = [places[n][1] for n in chosen]
        ranges = [points[n].wer[test_set] for n in chosen]
        below = [y - min(values) for y, values in zip(ys, ranges)]
        above = [max(values) - y for y, values in zip(ys, ranges)]
        size = 9 if marker == "*" else 6
        style = {"fmt": marker, "color": color, "markersize": size, "label": label}
        xs = [beside[n] for n in chosen]
        axes.errorbar(xs, ys, (below, above), capsize=2, elinewidth=1, **style)
    tops = [(p.student, x, max(p.wer[test_set])) for p, (x, _) in zip(points, places)]
    _count_axis(axes, cost)
    axes.set_ylim(0, 1.2 * max(top for *_, top in tops) or 1.0)
    _name_students(axes, tops)
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


def _name_students(axes, tops: Sequence[Tuple[str, float, float]]) -> None:
    """Write each name once, above its points, away from the name on its left."""
    highest: Dict[str, Tuple[float, float]] = {}
    for name, x, top in tops:
        first, known = highest.get(name, (x, 0.0))
        highest[name] = first, max(known, top)
    low, high = axes.get_xlim()
    last, level = 0.0, 0
    ordered = sorted(highest.items(), key=lambda item: item[1])
    for name, (x, top) in ordered[:MAX_NAMES]:
        near = last and x / last < (high / low) ** NAME_WIDTH
        level = (level + 1) % 3 if near else 0
        axes.annotate(
            name,
            (x, top),
            xytext=(0, 4 + 9 * level),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
        last = x


def _count_axis(axes, cost: str) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    if cost == "parameters":
        axes.set_xlabel("parameters")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: format_count(x)))
    else:
        axes.set_xlabel("real-time factor, one CPU thread")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def draw_methods(figure: Figure, points: Sequence[Point], test_set: str):
    """Draw a row a point: each seed a ring, their mean a bar."""
    axes = figure.subplots()
    styles = choose_styles([(p.method, p.label) for p in points])
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
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"WER {test_set} (%)")


def draw_curves(
    figure: Figure, term: str, lines: Sequence[Tuple[str, str, Curves, int]]
):
    """Draw one loss of several runs over the epochs of both stages.

    Args:
        figure: to draw on.
        term: logged key.
        lines: method, label, curves, and epochs of the first stage (0: one stage).
    """
    axes = figure.subplots()
    styles = choose_styles([(method, label) for method, label, *_ in lines])
    values = []
    for _, label, curves, first in lines:
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
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(term)
    add_legend(figure)


def _split(line, first: int):
    """Part the stages, whose losses are not the same sum."""
    points = sorted(line.items())
    stages = ([p for p in points if p[0] <= first], [p for p in points if p[0] > first])
    return [stage for stage in stages if stage]


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
        axes.set_yticks(
            rows, [f"{c.reference} → {c.recognised}" for c in found], fontsize=8
        )
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_title(f"{title} with distillation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[-1, 0].set_xlabel("times, over all seeds in common")
    add_legend(figure)
