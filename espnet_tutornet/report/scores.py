"""Error rates: what they cost, and how methods compare."""

from math import log
from pathlib import Path
from statistics import mean
from typing import Callable, Dict, Iterator, List, Sequence

from matplotlib.figure import Figure as Canvas

from espnet_tutornet.experiment.card import format_count
from espnet_tutornet.experiment.results import Run
from espnet_tutornet.experiment.tables import summarise
from espnet_tutornet.report.page import Figure, Figures, Section, Table
from espnet_tutornet.report.pictures import (
    Album,
    Styles,
    add_legend,
    spans,
    use_log_scale,
)
from espnet_tutornet.report.points import Point, pareto_front
from espnet_tutornet.report.setting import Setting

COSTS = {"parameters": "parameters", "rtf": "real-time factor"}
MAX_ROWS = 24  # of a picture of methods
MAX_NAMES = 8  # of students above their points
LETTER = 0.018  # width of a letter of theirs, as a share of the axes
MAX_SPAN = 8  # largest over smallest value of a linear scale
LABELS = {"parameters": "parameters", "rtf": "real-time factor, one CPU thread"}


def show_costs(setting: Setting, album: Album) -> Section:
    """Show WER against parameters and RTF, and the table of all runs."""
    section = Section("cost", "Error rate against size and speed")

    def draw(test_set: str) -> Iterator[Figure]:
        for cost, words in COSTS.items():
            points = [p for p in setting.drawn(test_set) if getattr(p, cost)]
            if not points:
                section.say(f"No run scored on {test_set} has a measured {words}.")
                continue
            places = [(getattr(p, cost), mean(p.wer[test_set])) for p in points]
            names = _join(
                f"{points[n].student} ({points[n].label})" for n in pareto_front(places)
            )
            caption = f"{test_set}: WER against {words}. On the Pareto front: {names}."
            what = points, setting.styles, test_set, cost
            name = f"wer_{cost}_{test_set}"
            yield Figure(album.add(name, caption, 2.8, draw_costs, *what), caption)

    _draw_sets(
        setting,
        section,
        "there is no error rate to show",
        "Word error rate (WER), in percent: the mean over seeds, with the range from "
        "the best to the worst seed as a bar. The dashed line joins the models that "
        "no other beats in both respects (Pareto front). Models of one size stand "
        "side by side, and the scale is logarithmic where values span more than a "
        f"factor of {MAX_SPAN}.",
        draw,
    )
    if setting.test_sets:
        section.blocks += _tables(setting)
    return section


def _draw_sets(
    setting: Setting,
    section: Section,
    cannot: str,
    text: str,
    draw: Callable[[str], Iterator[Figure]],
) -> None:
    """Say what the pictures are and add those of each test set, if one is scored."""
    if not setting.test_sets:
        section.say(f"No run is scored, so {cannot}.")
        return
    section.say(f"{text}{setting.left_out()}")
    figures = [figure for name in setting.test_sets for figure in draw(name)]
    section.blocks.append(Figures(figures))


def _tables(setting: Setting) -> List[Table]:
    """Tabulate the runs of each experiment directory, as RESULTS.md does."""
    by_folder: Dict[Path, List[Run]] = {}
    for experiment in setting.experiments:
        if setting.inference in experiment.scores:
            run = experiment.scores[setting.inference]
            by_folder.setdefault(experiment.path.parent, []).append(run)
    return [
        Table(
            f"All runs of {folder.name} decoded with {setting.inference}: mean ± "
            "standard deviation (range)",
            *summarise(runs),
        )
        for folder, runs in by_folder.items()
    ]


def _join(names) -> str:
    return "; ".join(names) or "none"


def show_methods(setting: Setting, album: Album) -> Section:
    """Show the WER of every method, a ring a seed."""
    section = Section("methods", "Methods and frame weights")

    def draw(test_set: str) -> Iterator[Figure]:
        points = setting.drawn(test_set)[:MAX_ROWS]
        if not points:
            return
        said = [
            f"{p.student}, {p.label}: {mean(p.wer[test_set]):.2f} %" for p in points
        ]
        height = 0.8 + 0.36 * len(points)
        alt = f"{test_set}, mean WER. {_join(said)}."
        what = points, setting.styles, test_set
        picture = album.add(f"methods_{test_set}", alt, height, draw_methods, *what)
        seeds = sorted({len(p.wer[test_set]) for p in points})
        yield Figure(picture, f"{test_set}: WER by method, {_seeds(seeds)} a row.")

    _draw_sets(
        setting,
        section,
        "methods cannot be compared",
        "A ring is a seed, the bar their mean. Where runs of a method differ in frame "
        "weights, configuration, teacher or epochs, the name says how.",
        draw,
    )
    weights = sorted({e.frame_weights for e in setting.experiments} - {""})
    if setting.test_sets and weights:
        section.say(f"Frame weights of the RKD stages here: {', '.join(weights)}.")
    return section


def _seeds(counts: List[int]) -> str:
    low, high = counts[0], counts[-1]
    number = f"{low}" if low == high else f"{low} to {high}"
    return f"{number} seed{'s' * (high > 1)}"


def draw_costs(
    figure: Canvas, points: Sequence[Point], styles: Styles, test_set: str, cost: str
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
    figure: Canvas, points: Sequence[Point], styles: Styles, test_set: str
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
