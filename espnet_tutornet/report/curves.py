"""Training: every loss of both stages, and the norm of the gradient."""

import math
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from espnet_tutornet.jobs.checkpoint import load_statistics
from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.report.page import Figure, Figures, Heading, Section, Table
from espnet_tutornet.report.pictures import (
    HEIGHT,
    Album,
    Styles,
    add_legend,
    spans,
    use_log_scale,
)
from espnet_tutornet.report.setting import Setting

# mode ("train", "valid") -> logged key -> epoch -> value
Curves = Dict[str, Dict[str, Dict[int, float]]]
MODES = ("train", "valid")
MAX_LINES = 12  # methods of a picture
Line = Tuple[str, Curves, int]
MAX_LOSS_SPAN = 20  # largest over smallest value of a linear scale
LINES = {"valid": "-", "train": ":"}


def read_curves(rundir: Path) -> Curves:
    """Read the loss terms of every epoch, and the norm of the gradient.

    They are those of ``checkpoint.pth``: ``train.log`` rounds, and keeps the epochs of
    earlier attempts, which this training may not have made again.

    Args:
        rundir: directory of a training.

    Returns:
        The curves, {} where there is no ``checkpoint.pth``.

    Raises:
        ValueError: it is damaged, or holds no statistics.
    """
    checkpoint = rundir / "checkpoint.pth"
    return _select(load_statistics(checkpoint)) if checkpoint.is_file() else {}


def is_drawn(key: str) -> bool:
    """Whether a logged key is a loss, or the norm of the gradient.

    ``loss_scale`` is that of half precision.
    """
    return key.split("_")[0] == "loss" and key != "loss_scale" or key == "grad_norm"


def _select(stats: Dict[int, Dict[str, Dict]]) -> Curves:
    """Keep what is drawn and finite, key by key."""
    curves: Curves = {}
    for epoch in sorted(stats):
        for mode in MODES:
            for key, value in stats[epoch].get(mode, {}).items():
                number = isinstance(value, (int, float)) and math.isfinite(value)
                if is_drawn(key) and number:
                    lines = curves.setdefault(mode, {}).setdefault(key, {})
                    lines[epoch] = float(value)
    return curves


def last_epoch(curves: Curves) -> int:
    """Return the last epoch of any curve, 0 without one."""
    epochs = [e for keys in curves.values() for line in keys.values() for e in line]
    return max(epochs, default=0)


def join_stages(first: Curves, second: Curves) -> Curves:
    """Count the epochs of the second stage on from the last one of the first.

    Example:
        >>> stage = {"valid": {"loss": {1: 0.5, 2: 0.25}}}
        >>> join_stages(stage, stage)
        {'valid': {'loss': {1: 0.5, 2: 0.25, 3: 0.5, 4: 0.25}}}
    """
    shift = last_epoch(first)
    joined: Curves = {
        mode: {key: dict(line) for key, line in keys.items()}
        for mode, keys in first.items()
    }
    for mode, keys in second.items():
        for key, line in keys.items():
            target = joined.setdefault(mode, {}).setdefault(key, {})
            target.update({epoch + shift: value for epoch, value in line.items()})
    return joined


def list_terms(curves: List[Curves]) -> List[str]:
    """List the keys of any curve: ``loss`` first, the gradient's norm last."""
    keys = {key for each in curves for lines in each.values() for key in lines}
    return sorted(keys, key=lambda key: (key != "loss", key == "grad_norm", key))


def show_curves(setting: Setting, album: Album) -> Section:
    """Show the losses of the first seed of every method, student by student."""
    section = Section("training", "Training curves")
    section.say(
        "Losses and the gradient's norm before clipping, by epoch, of the first seed "
        "of each method: solid with markers on the validation set, dotted in training. "
        "Where RKD came first, its epochs are "
        "counted before those of the second stage, with a vertical line between; the "
        "total loss is another sum on its other side, and the scale is logarithmic "
        f"where values span more than a factor of {MAX_LOSS_SPAN}.{setting.left_out()}"
    )
    found = False
    teachers = sorted({p.student for p in setting.points if p.method == "teacher"})
    for student in [*setting.students, *teachers[:1]]:
        lines, without, left_out = _lines(setting, student)
        if not lines:
            continue
        found = True
        section.blocks.append(Heading(student))
        figures = [
            _figure(setting, album, student, term, lines)
            for term in list_terms([curves for _, curves, _ in lines])
        ]
        section.blocks.append(Figures(figures))
        section.blocks.append(_table(student, lines))
        if without:
            section.say(f"No checkpoint.pth, so no curves: {', '.join(without)}.")
        if left_out:
            section.say(f"More than {MAX_LINES}, left out: {', '.join(left_out)}.")
    if not found:
        section.blocks.clear()
        section.say("No run has a checkpoint.pth with the results of its epochs.")
    return section


def _lines(setting: Setting, student: str) -> Tuple[List[Line], List[str], List[str]]:
    """Return the lines, and the labels of what has none and of what is too much."""
    lines: List[Line] = []
    without: List[str] = []
    points = [point for point in setting.points if point.student == student]
    for point in points[:MAX_LINES]:
        curves, first = _read(setting, point.experiments[0])
        if curves:
            lines.append((point.label, curves, first))
        else:
            without.append(point.label)
    return lines, without, [point.label for point in points[MAX_LINES:]]


def _read(setting: Setting, experiment: Experiment) -> Tuple[Curves, int]:
    """Return the curves of both stages, and the epochs of the first."""
    stages = [experiment.path]
    if experiment.first_stage is not None:
        stages.insert(0, experiment.first_stage)
    curves: Curves = {}
    before = 0
    for path in stages:
        try:
            found = read_curves(path)
        except ValueError as error:
            setting.notes.append(f"{path.name} has no curves: {error}")
            found = {}
        before = last_epoch(curves)
        curves = join_stages(curves, found)
    return curves, before


def _figure(
    setting: Setting, album: Album, student: str, term: str, lines: List[Line]
) -> Figure:
    chosen = [line for line in lines if any(term in keys for keys in line[1].values())]
    ends = [f"{label} {_end(curves, term)}" for label, curves, _ in chosen]
    alt = f"{term} of {student} by epoch. Last validation values: {'; '.join(ends)}."
    picture = album.add(
        f"curve_{student}_{term}",
        alt,
        HEIGHT,
        draw_curves,
        term,
        chosen,
        setting.styles,
    )
    return Figure(picture, f"{student}: {term}.")


def _end(curves: Curves, term: str) -> str:
    line = curves.get("valid", {}).get(term, {})
    return f"{line[max(line)]:.6g}" if line else "-"


def _table(student: str, lines: List[Line]) -> Table:
    terms = list_terms([curves for _, curves, _ in lines])
    rows = [
        [label, str(first or "-"), str(last_epoch(curves))]
        + [_end(curves, term) for term in terms]
        for label, curves, first in lines
    ]
    header = ["Method", "RKD epochs", "epochs", *(f"{term}, valid" for term in terms)]
    caption = f"{student}: last validation losses of each term"
    return Table(caption, header, rows, folded=True)


def draw_curves(
    figure: Canvas,
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.set_ylabel(term)
    add_legend(figure)


def _split(line, first: int):
    """Part the stages, whose losses are not the same sum."""
    points = sorted(line.items())
    stages = ([p for p in points if p[0] <= first], [p for p in points if p[0] > first])
    return [stage for stage in stages if stage]
