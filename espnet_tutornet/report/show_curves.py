"""Section on training: every loss of both stages, and the gradient's norm."""

from typing import List, Tuple

from espnet_tutornet.report.curves import (
    Curves,
    join_stages,
    last_epoch,
    list_terms,
    read_curves,
)
from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.report.page import Figure, Figures, Heading, Section, Table
from espnet_tutornet.report.pictures import HEIGHT, Album
from espnet_tutornet.report.plots import MAX_LOSS_SPAN, draw_curves
from espnet_tutornet.report.setting import Setting

MAX_LINES = 12  # methods of a picture
SOURCES = {
    "checkpoint.pth": "checkpoint.pth (all digits)",
    "train.log": "train.log (three digits behind the point)",
}
Line = Tuple[str, Curves, int]


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
