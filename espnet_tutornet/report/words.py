"""Words: which confusions distillation mended, and which it made."""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple, Union

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.report.page import Figure, Figures, Heading, Section, Table, Text
from espnet_tutornet.report.pictures import METHOD_STYLES, Album, add_legend
from espnet_tutornet.report.points import Point
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.scoring.alignment import align
from espnet_tutornet.scoring.score import Texts, check_pairs, read_text

Substitutions = Counter  # of (reference word, recognised word)
MAX_SEEDS = 5
Counts = Dict[int, Substitutions]  # by seed
MAX_WORD = 14  # letters of a confusion, beside which bars have room
LETTER = 0.018  # width of a letter of theirs, as a share of the axes


@dataclass(frozen=True)
class Confusion:
    """A word taken for another, counted without and with distillation.

    Attributes:
        reference: the word that was said.
        recognised: the word that was written.
        before: times without distillation.
        after: times with it.
    """

    reference: str
    recognised: str
    before: int
    after: int

    @property
    def change(self) -> int:
        """Return after minus before: below zero where distillation helped."""
        return self.after - self.before


def count_substitutions(refs: Texts, hyps: Texts) -> Substitutions:
    """Count the words taken for others, in the alignment of the scorer.

    Args:
        refs: words by utterance id.
        hyps: words by the same ids.

    Raises:
        ValueError: the ids differ.

    Example:
        >>> count_substitutions({"u": ["ONE", "NINE"]}, {"u": ["ONE", "FIVE"]})
        Counter({('NINE', 'FIVE'): 1})
    """
    check_pairs(refs, hyps)
    counts: Substitutions = Counter()
    operations = align(list(refs.values()), [hyps[utt_id] for utt_id in refs])
    for (utt_id, words), letters in zip(refs.items(), operations):
        left, right = iter(words), iter(hyps[utt_id])
        for letter in letters:
            word = next(left) if letter != "I" else ""
            said = next(right) if letter != "D" else ""
            if letter == "S":
                counts[word, said] += 1
    return counts


def compare_confusions(
    before: Substitutions, after: Substitutions, top: int
) -> Tuple[List[Confusion], List[Confusion]]:
    """List the confusions that changed most.

    Args:
        before: without distillation.
        after: with it, counted over the same utterances and seeds.
        top: length of each list at most.

    Returns:
        Those that became rarer and those that became more frequent, the largest
        change first, then by word.
    """
    pairs = sorted(before.keys() | after.keys())
    changed = [Confusion(*pair, before[pair], after[pair]) for pair in pairs]
    fixed = sorted((c for c in changed if c.change < 0), key=lambda c: c.change)
    broken = sorted((c for c in changed if c.change > 0), key=lambda c: -c.change)
    return fixed[:top], broken[:top]


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


def _cut(word: str) -> str:
    return word if len(word) <= MAX_WORD else f"{word[: MAX_WORD - 1]}…"


def draw_confusions(
    figure: Canvas, fixed: Sequence[Confusion], broken: Sequence[Confusion]
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
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    grid[-1, 0].set_xlabel("times, over all seeds in common")
    add_legend(figure)
