"""Section on words: the confusions that distillation mended and made."""

from collections import Counter
from typing import Dict, List, Optional, Tuple, Union

from espnet_tutornet.report.confusions import (
    Confusion,
    Substitutions,
    compare_confusions,
    count_substitutions,
)
from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.report.page import Figure, Figures, Heading, Section, Table, Text
from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.plots import draw_confusions
from espnet_tutornet.report.points import Point
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.scoring.score import read_text

MAX_SEEDS = 5
Counts = Dict[int, Substitutions]  # by seed


def show_words(setting: Setting, album: Album) -> Section:
    """Show the substitutions of each distilled student against its baseline."""
    section = Section("words", "Confusions fixed and broken")
    section.say(
        "Words taken for others, over those test sets shown here that the student was "
        "decoded on without distillation, counted without it (before) and with it "
        f"(after), and summed over the seeds that both have (at most {MAX_SEEDS})."
        f"{setting.left_out()}"
    )
    found = False
    for student in setting.students:
        points = [p for p in setting.points if p.student == student]
        baseline = next((p for p in points if p.method == "none"), None)
        if baseline is None:
            continue
        sets = [name for name in setting.test_sets if name in baseline.wer]
        counts = _count(setting, baseline, sets)
        distilled = [p for p in points if p.method != "none"] if counts else []
        blocks = [_compare(setting, album, counts, p, sets) for p in distilled]
        blocks = [block for block in blocks if block]
        if blocks:
            found = True
            section.blocks.append(Heading(student))
            section.blocks.append(Figures([figure for figure, _ in blocks if figure]))
            section.blocks += [block for _, block in blocks]
    if not found:
        section.blocks.clear()
        section.say(
            "No student has decoded texts both without and with distillation, with "
            "transcripts in the data directory."
        )
    return section


def _count(setting: Setting, point: Point, test_sets: List[str]) -> Counts:
    """Count the substitutions of each seed over the test sets."""
    counts: Counts = {}
    for experiment in point.experiments[:MAX_SEEDS]:
        found = [_read(setting, experiment, name) for name in test_sets]
        if found and all(each is not None for each in found):
            counts.setdefault(experiment.seed, sum(found, Counter()))
    return counts


def _read(
    setting: Setting, experiment: Experiment, test_set: str
) -> Optional[Substitutions]:
    decoded = experiment.path / f"decode_{setting.inference}" / test_set / "text"
    refs = setting.reference(test_set)
    if not decoded.is_file() or not refs:
        return None
    try:
        return count_substitutions(refs, read_text(decoded))
    except ValueError as error:
        setting.notes.append(f"{experiment.path.name}, {test_set}: {error}")
        return None


def _compare(
    setting: Setting,
    album: Album,
    baseline: Counts,
    point: Point,
    test_sets: List[str],
) -> Optional[Tuple[Optional[Figure], Union[Table, Text]]]:
    """Return a picture and its table, or a sentence; None without a common seed."""
    counts = _count(setting, point, test_sets)
    seeds = sorted(baseline.keys() & counts.keys())
    if not seeds:
        return None
    before = sum((baseline[seed] for seed in seeds), Counter())
    after = sum((counts[seed] for seed in seeds), Counter())
    fixed, broken = compare_confusions(before, after, setting.top)
    name = f"{point.student}, {point.label}"
    caption = f"{name}, {_seeds(seeds)}: {before.total()} substitutions before, "
    caption += f"{after.total()} after."
    if not fixed and not broken:
        return None, Text(f"{caption} No confusion changed.")
    height = 1.1 + 0.24 * (len(fixed) + len(broken))
    picture = album.add(
        f"words_{name}", caption, height, draw_confusions, fixed, broken
    )
    header = ["said", "written", "before", "after", "change"]
    rows = [_row(confusion) for confusion in (*fixed, *reversed(broken))]
    table = Table(f"{name}: confusions that changed most", header, rows, folded=True)
    return Figure(picture, caption), table


def _row(confusion: Confusion) -> List[str]:
    counts = (f"{confusion.before}", f"{confusion.after}", f"{confusion.change:+d}")
    return [confusion.reference, confusion.recognised, *counts]


def _seeds(seeds: List[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
