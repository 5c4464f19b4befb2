"""Build the report: gather what is drawn, and draw it."""

import argparse
from typing import Callable, List

from tqdm import tqdm

from espnet_tutornet.data.data_dir import check_replaceable
from espnet_tutornet.report.answer import show_answer
from espnet_tutornet.report.curves import show_curves
from espnet_tutornet.report.experiments import (
    common_inference,
    find_experiments,
    list_students,
)
from espnet_tutornet.report.models import load_models
from espnet_tutornet.report.offsets import show_offsets
from espnet_tutornet.report.page import Section, render_page
from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.points import Point, gather_points
from espnet_tutornet.report.scores import show_costs, show_methods
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.utterances import show_utterances
from espnet_tutornet.report.words import show_words
from espnet_tutornet.utils.files import atomic_dir

PAGE = "report.html"
DRAWN_STUDENTS, DRAWN_SETS = 3, 4  # unless others are asked for
MAX_NOTES = 20
PARTS = 8  # of the progress bar: the models, and each section


def write_report(args: argparse.Namespace) -> float:
    """Write the page and its pictures, whole or not at all.

    Args:
        args: options of ``bin/report``.

    Returns:
        Characters of the page, in millions.

    Raises:
        FileNotFoundError: an ``--expdir`` is missing.
        ValueError: an option names what is not there, or ``--out`` something else.
    """
    check_replaceable(args.page, PAGE)
    setting = gather_setting(args)
    with atomic_dir(args.page) as new:
        answer, *sections = make_sections(setting, Album(new / "pictures"))
        notes = _shorten(setting.notes)
        page = render_page(args.title, _subtitle(setting), answer, sections, notes)
        (new / PAGE).write_text(page, encoding="utf-8")
    return len(page) / 1e6


def make_sections(setting: Setting, album: Album) -> List[Section]:
    """Draw and describe everything, in the order of the page."""
    bar = tqdm(total=PARTS, unit="part", disable=None)

    def make(name: str, function: Callable, *args):
        bar.set_description(name)
        made = function(setting, *args)
        bar.update()
        return made

    with bar:
        models = make("load models", load_models)
        return [
            make("answer", show_answer),
            make("costs", show_costs, album),
            make("methods", show_methods, album),
            make("training", show_curves, album),
            make("utterances", show_utterances, album, models),
            make("offsets", show_offsets, album, models),
            make("words", show_words, album),
        ]


def gather_setting(args: argparse.Namespace) -> Setting:
    """Read the runs and choose what is drawn.

    Raises:
        FileNotFoundError: an ``--expdir`` is missing.
        ValueError: a student, a set or an inference that no run has, or a number
            below 1.
    """
    for option in ("top", "spike_utterances"):
        if getattr(args, option) < 1:
            raise ValueError(
                f"--{option} must be at least 1, got {vars(args)[option]}."
            )
    experiments, notes = find_experiments(args.expdir)
    inference = args.inference or common_inference(experiments)
    points = gather_points(experiments, inference)
    students = list_students(experiments)
    known_sets = _scored_sets(points)
    # a set that the teacher alone is scored on, as by stage 7, compares nothing
    compared = _scored_sets([p for p in points if p.method != "teacher"]) or known_sets
    names = {name for e in experiments for name in e.scores}
    _check("--inference", [args.inference] if args.inference else [], names)
    _check("--students", args.students or [], students)
    _check("--test_sets", args.test_sets or [], known_sets)
    heard = {path.parent.name for path in args.datadir.glob("*/wav.scp")}
    _check("--speech_set", [args.speech_set] if args.speech_set else [], heard)
    return Setting(
        experiments,
        points,
        inference,
        args.datadir,
        args.students or students[:DRAWN_STUDENTS],
        args.test_sets or compared[:DRAWN_SETS],
        args.utterances,
        args.speech_set or _speech_set(heard, compared),
        args.spike_utterances,
        args.top,
        notes,
    )


def _check(option: str, asked, known) -> None:
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(
            f"{option}: no run or data has {' '.join(unknown)}, expected of: "
            f"{' '.join(sorted(known)) or 'nothing, as there is none'}."
        )


def _scored_sets(points: List[Point]) -> List[str]:
    """List the sets by name, those to develop on last."""
    sets = {name for point in points for name in point.wer}
    return sorted(sets, key=lambda name: (name.startswith("dev"), name))


def _speech_set(heard, test_sets) -> str:
    """Choose a dev set that has audio, or else a test set."""
    dev = sorted(name for name in heard if name.startswith("dev"))
    return next((n for n in (*dev, *test_sets) if n in heard), "")


def _shorten(notes: List[str]) -> List[str]:
    rest = len(notes) - MAX_NOTES
    return notes if rest <= 0 else [*notes[:MAX_NOTES], f"And {rest} more."]


def _subtitle(setting: Setting) -> str:
    runs = len(setting.experiments)
    if not runs:
        return "There are no runs in this experiment directory yet."
    scored = sum(bool(e.scores) for e in setting.experiments)
    return f"{runs} runs, {scored} of them scored."
