"""The answer before the pictures: the best student, beside what it came from."""

from statistics import mean
from typing import List, Optional, Sequence

from espnet_tutornet.experiment.card import format_count
from espnet_tutornet.experiment.tables import format_number
from espnet_tutornet.report.page import Section, Table
from espnet_tutornet.report.points import Point
from espnet_tutornet.report.setting import Setting


def show_answer(setting: Setting) -> Section:
    """Say which student is best, and what it costs beside its teacher."""
    section = Section("answer", "In short")
    if not setting.test_sets:
        return section.say("No run is scored, so there is no best student yet.")
    test_set = setting.test_sets[0]
    scored = [p for p in setting.points if p.wer.get(test_set)]
    students = [p for p in scored if p.method != "teacher"]
    best = _least(students, test_set)
    if best is None:
        return section.say(f"No student is scored on {test_set} yet.")
    teacher = find_teacher(setting.points, best)
    # beside one without distillation stands the best with it
    distilled = [p for p in students if p.method != "none"]
    other = (
        _least(distilled, test_set)
        if best.method == "none"
        else find_baseline(scored, best)
    )
    section.say(_say_rates(best, teacher, other, test_set))
    if teacher is not None:
        section.say(say_costs(best, teacher))
    section.blocks.append(_table(best, teacher, other, test_set))
    return section


def _least(points: Sequence[Point], test_set: str) -> Optional[Point]:
    return min(points, key=lambda p: mean(p.wer[test_set]), default=None)


def find_teacher(points: Sequence[Point], student: Point) -> Optional[Point]:
    """Return the teacher that the student's first seed names, None where it has no run.

    Of several of that name, the one of the student's own directory counts.
    """
    run = student.experiments[0]
    known = [
        (e.path.parent == run.path.parent, p)
        for p in points
        for e in p.experiments
        if p.method == "teacher" and e.path.name == run.teacher
    ]
    return max(known, key=lambda found: found[0], default=(False, None))[1]


def find_baseline(points: Sequence[Point], student: Point) -> Optional[Point]:
    """Return the same student without distillation, None where there is none.

    Of several, the one with the most in common counts: directory, epochs, then
    configuration.
    """
    run = student.experiments[0]

    def in_common(point: Point) -> tuple:
        other = point.experiments[0]
        same_epochs = other.total_epochs == run.total_epochs
        same_directory = other.path.parent == run.path.parent
        return same_directory, same_epochs, other.config == run.config

    found = [p for p in points if (p.student, p.method) == (student.student, "none")]
    return max(found, key=in_common, default=None)


def _say_rates(
    best: Point, teacher: Optional[Point], other: Optional[Point], test_set: str
) -> str:
    wer = f"{mean(best.wer[test_set]):.2f} % WER"
    said = f"The best student on {test_set} is {_name(best)} with {wer};"
    if teacher is not None and teacher.wer.get(test_set):
        said += f" its teacher has {mean(teacher.wer[test_set]):.2f} %,"
    else:
        said += " its teacher is not scored there,"
    if best.method == "none":
        missing = "no student with distillation is scored there"
        what = f"the best with distillation, {_name(other)}," if other else ""
    else:
        missing = "the same student without distillation is not scored there"
        what = "the same student without distillation"
    rate = f"{what} has {mean(other.wer[test_set]):.2f} %" if other else missing
    return f"{said} and {rate}."


def _name(point: Point) -> str:
    return f"{point.student} ({point.label})"


def say_costs(student: Point, teacher: Point) -> str:
    """Say how much smaller and faster a student is, and what nobody measured.

    Args:
        student: with what is known of its parameters, MACs and real-time factor.
        teacher: the same.
    """
    counts = {"parameters": "parameters", "macs": "multiply-accumulates (MACs)"}
    parts: List[str] = []
    missing: List[str] = []
    for attribute, noun in counts.items():
        ratio = _ratio(teacher, student, attribute)
        if ratio is None:
            missing.append(noun)
        else:
            parts.append(say_ratio(ratio, f"times fewer {noun}", f"as many {noun}"))
    said = f"has {' and '.join(parts)}" if parts else ""
    faster = _ratio(teacher, student, "rtf")
    if faster is None:
        missing.append("real-time factor (RTF)")
    else:
        speed = say_ratio(faster, "times as fast", "as fast", "times as slow")
        said += f"{', and ' if said else ''}is {speed}"
    said = f"Beside its teacher it {said}." if said else ""
    if missing:
        said += f" Not measured on both sides: {', '.join(missing)}."
    return said.strip()


def _ratio(teacher: Point, student: Point, attribute: str) -> Optional[float]:
    ours, theirs = getattr(student, attribute), getattr(teacher, attribute)
    return theirs / ours if ours and theirs else None


def say_ratio(ratio: float, above: str, equal: str, below: str = "") -> str:
    """Say a ratio of teacher over student in words.

    Args:
        ratio: above zero.
        above: what a ratio above one is a number of.
        equal: what a ratio is that rounds to one.
        below: what the inverse of a ratio below one is a number of; without it,
            ``times`` and ``equal``.

    Example:
        >>> words = "times fewer blocks", "as many blocks"
        >>> [say_ratio(ratio, *words) for ratio in (46.2, 1.02, 0.4)]
        ['46 times fewer blocks', 'as many blocks', '2.5 times as many blocks']
    """
    if 0.95 <= ratio < 1.05:
        return equal
    size = max(ratio, 1.0 / ratio)
    number = f"{size:.0f}" if size >= 10 else f"{size:.2g}"
    return f"{number} {above if ratio > 1.0 else below or f'times {equal}'}"


def _table(
    best: Point, teacher: Optional[Point], other: Optional[Point], test_set: str
) -> Table:
    shown = [p for p in (teacher, other, best) if p is not None]
    names = [p.label if p.student == best.student else _name(p) for p in shown]
    if teacher is not None:
        names[0] = teacher.label
    rates = [p.wer.get(test_set, ()) for p in shown]
    rows = [["WER (%)", *(format_number(mean(r) if r else None, 2) for r in rates)]]
    if any(len(r) > 1 for r in rates):
        rows.append(["best to worst seed", *(_range(r) for r in rates)])
    rows += [
        ["seeds", *(f"{len(r)}" for r in rates)],
        ["Parameters", *(_count(p.parameters) for p in shown)],
        ["MACs per second", *(_count(p.macs) for p in shown)],
        ["RTF, one CPU thread", *(format_number(p.rtf, 4) for p in shown)],
    ]
    caption = (
        f"{best.student} beside its teacher on {test_set}, means of all seeds. WER is "
        "the word error rate, RTF the computing time per second of audio."
    )
    return Table(caption, ["Measure", *names], rows, narrow=True)


def _range(rates: Sequence[float]) -> str:
    return f"{min(rates):.2f} to {max(rates):.2f}" if len(rates) > 1 else "-"


def _count(value: Optional[float]) -> str:
    return "-" if value is None else format_count(value).strip()
