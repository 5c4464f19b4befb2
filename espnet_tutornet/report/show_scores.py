"""Sections on error rates: what they cost, and how methods compare."""

from pathlib import Path
from statistics import mean
from typing import Dict, List

from espnet_tutornet.experiment.results import Run, summarise
from espnet_tutornet.report.page import Figure, Figures, Section, Table
from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.plots import MAX_SPAN, draw_costs, draw_methods
from espnet_tutornet.report.points import pareto_front
from espnet_tutornet.report.setting import Setting

COSTS = {"parameters": "parameters", "rtf": "real-time factor"}
MAX_ROWS = 24  # of a picture of methods


def show_costs(setting: Setting, album: Album) -> Section:
    """Show WER against parameters and RTF, and the table of all runs."""
    section = Section("cost", "Error rate against size and speed")
    if not setting.test_sets:
        return section.say("No run is scored, so there is no error rate to show.")
    section.say(
        "Word error rate (WER), in percent: the mean over seeds, with the range from "
        "the best to the worst seed as a bar. The dashed line joins the models that "
        "no other beats in both respects (Pareto front). Models of one size stand "
        "side by side, and the scale is logarithmic where values span more than a "
        f"factor of {MAX_SPAN}.{setting.left_out()}"
    )
    figures = []
    for test_set in setting.test_sets:
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
            picture = album.add(
                f"wer_{cost}_{test_set}",
                caption,
                2.8,
                draw_costs,
                points,
                setting.styles,
                test_set,
                cost,
            )
            figures.append(Figure(picture, caption))
    section.blocks.append(Figures(figures))
    section.blocks += _tables(setting)
    return section


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
    if not setting.test_sets:
        return section.say("No run is scored, so methods cannot be compared.")
    section.say(
        "A ring is a seed, the bar their mean. Where runs of a method differ in frame "
        "weights, configuration, teacher or epochs, the name says how."
        f"{setting.left_out()}"
    )
    figures: List[Figure] = []
    for test_set in setting.test_sets:
        points = setting.drawn(test_set)[:MAX_ROWS]
        if not points:
            continue
        said = [
            f"{p.student}, {p.label}: {mean(p.wer[test_set]):.2f} %" for p in points
        ]
        height = 0.8 + 0.36 * len(points)
        alt = f"{test_set}, mean WER. {_join(said)}."
        picture = album.add(
            f"methods_{test_set}",
            alt,
            height,
            draw_methods,
            points,
            setting.styles,
            test_set,
        )
        seeds = sorted({len(p.wer[test_set]) for p in points})
        caption = f"{test_set}: WER by method, {_seeds(seeds)} a row."
        figures.append(Figure(picture, caption))
    section.blocks.append(Figures(figures))
    weights = sorted({e.frame_weights for e in setting.experiments} - {""})
    if weights:
        section.say(f"Frame weights of the RKD stages here: {', '.join(weights)}.")
    return section


def _seeds(counts: List[int]) -> str:
    low, high = counts[0], counts[-1]
    number = f"{low}" if low == high else f"{low} to {high}"
    return f"{number} seed{'s' * (high > 1)}"
