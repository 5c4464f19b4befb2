"""Training: every loss of both stages, and the norm of the gradient."""

import math
import re
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
EPOCH_LINE = re.compile(r"INFO: (\d+)epoch results: (.*)")
MODE_PART = re.compile(r"\[(\w+)\] ([^\[]*)")
VALUE = re.compile(r"(\w+)=([-+.\w]+)")
MAX_LINES = 12  # methods of a picture
SOURCES = {
    "checkpoint.pth": "checkpoint.pth (all digits)",
    "train.log": "train.log (three digits behind the point)",
}
Line = Tuple[str, Curves, int]
MAX_SPAN, MAX_LOSS_SPAN = 8, 20  # largest over smallest value of a linear scale
LINES = {"valid": "-", "train": ":"}


def read_curves(rundir: Path) -> Tuple[Curves, str]:
    """Read the loss terms of every epoch, and the norm of the gradient.

    The numbers of ``checkpoint.pth`` are exact; where it is gone or damaged, those of
    ``train.log`` have three digits behind the point.

    Args:
        rundir: directory of a training.

    Returns:
        The curves, and the name of the file that they are from: "" where there is
        neither.
    """
    checkpoint, log = rundir / "checkpoint.pth", rundir / "train.log"
    if checkpoint.is_file():
        try:
            return _select(load_statistics(checkpoint)), checkpoint.name
        except ValueError:
            pass  # the log says the same, less exactly
    if log.is_file():
        curves = parse_log(log.read_text(encoding="utf-8", errors="replace"))
        if curves:
            return curves, log.name
    return {}, ""


def parse_log(text: str) -> Curves:
    """Read the lines ``<n>epoch results: [train] key=value, ... [valid] ...``.

    An epoch that comes twice, after a resumed training, counts as the last time.

    Example:
        >>> parse_log("INFO: 2epoch results: [train] loss=1.5, time=3 seconds")
        {'train': {'loss': {2: 1.5}}}
    """
    stats: Dict[int, Dict[str, Dict]] = {}
    for epoch, said in EPOCH_LINE.findall(text):
        stats[int(epoch)] = {
            mode: {key: _number(value) for key, value in VALUE.findall(part)}
            for mode, part in MODE_PART.findall(said)
        }
    return _select(stats)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


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
        lines, sources, left_out = _lines(setting, student)
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
        files = " and ".join(SOURCES[name] for name in sorted(sources))
        section.say(f"Numbers from {files}.")
        if left_out:
            section.say(f"More than {MAX_LINES}, left out: {', '.join(left_out)}.")
    if not found:
        section.blocks.clear()
        section.say("No run has a checkpoint.pth or train.log with epoch results.")
    return section


def _lines(setting: Setting, student: str) -> Tuple[List[Line], set, List[str]]:
    lines: List[Line] = []
    sources = set()
    points = [point for point in setting.points if point.student == student]
    for point in points[:MAX_LINES]:
        curves, first, files = _read(point.experiments[0])
        if curves:
            lines.append((point.label, curves, first))
            sources |= files
    return lines, sources, [point.label for point in points[MAX_LINES:]]


def _read(experiment: Experiment) -> Tuple[Curves, int, set]:
    """Return the curves of both stages, the epochs of the first, and the files."""
    curves, source = read_curves(experiment.path)
    sources = {source}
    before = 0
    if experiment.first_stage is not None:
        first, source = read_curves(experiment.first_stage)
        sources.add(source)
        before = last_epoch(first)
        curves = join_stages(first, curves)
    return curves, before, sources - {""}


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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(term)
    add_legend(figure)


def _split(line, first: int):
    """Part the stages, whose losses are not the same sum."""
    points = sorted(line.items())
    stages = ([p for p in points if p[0] <= first], [p for p in points if p[0] > first])
    return [stage for stage in stages if stage]
