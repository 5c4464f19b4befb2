"""Scored runs as points: mean and range over seeds, and the Pareto front."""

from dataclasses import dataclass
from statistics import mean
from typing import Dict, List, Optional, Sequence, Tuple

from espnet_tutornet.experiment.methods import name_method
from espnet_tutornet.experiment.results import row_order
from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.utils.seeds import group_seeds, known, mean_known, tell_apart


@dataclass(frozen=True)
class Point:
    """Experiments that differ by their seed alone.

    Attributes:
        student: name of the network.
        method: as ``run.sh --methods`` takes it, or ``teacher``.
        label: the method in words, and what tells it from its neighbours.
        experiments: one a seed.
        wer: test set -> percent, one a seed that has it, in the order of the seeds.
        parameters: mean over seeds, None where none was measured.
        rtf: the same of the real-time factor.
        macs: the same of the multiply-accumulates per second of audio.
    """

    student: str
    method: str
    label: str
    experiments: Tuple[Experiment, ...]
    wer: Dict[str, Tuple[float, ...]]
    parameters: Optional[float]
    rtf: Optional[float]
    macs: Optional[float] = None


def gather_points(experiments: Sequence[Experiment], inference: str) -> List[Point]:
    """Group experiments over their seeds: teachers first, methods in their order.

    Args:
        experiments: in any order.
        inference: the scores to take, ``ctc_greedy`` of ``decode_ctc_greedy``.
    """
    groups = group_seeds(experiments, _order)
    return [_point(key, group, groups, inference) for key, group in groups.items()]


def _order(experiment: Experiment) -> tuple:
    folder = experiment.path.parent.name
    return (*row_order(experiment), experiment.frame_weights, folder)


def _details(key: tuple) -> Tuple[str, ...]:
    return (f"{key[3]} epochs", *key[4:])


def _point(key, group, groups, inference) -> Point:
    first = group[0]
    alike = [_details(other) for other in groups if other[:3] == key[:3]]
    runs = [e.scores[inference] for e in group if inference in e.scores]
    sets = sorted({test_set for run in runs for test_set in run.scores})
    wer = {name: tuple(known(run.rate("wer", name) for run in runs)) for name in sets}
    return Point(
        first.student,
        first.method,
        tell_apart(name_method(first.method), _details(key), alike),
        tuple(group),
        wer,
        mean_known(run.parameters for run in runs),
        mean_known(run.rtf for run in runs),
        mean_known(run.macs_per_second for run in runs),
    )


def pareto_front(points: Sequence[Tuple[float, float]]) -> List[int]:
    """Find the points that no other beats, where less is better on both axes.

    A point is beaten by one that is as good on both axes and better on one; of equal
    points all stay.

    Args:
        points: (cost, error) each.

    Returns:
        Their indices, the cheapest first.

    Example:
        >>> pareto_front([(1.0, 9.0), (2.0, 5.0), (2.0, 7.0), (3.0, 6.0)])
        [0, 1]
    """
    order = sorted(range(len(points)), key=lambda index: points[index])
    front: List[int] = []
    for index in order:
        if not front or points[index][1] < points[front[-1]][1]:
            front.append(index)
        elif points[index] == points[front[-1]]:
            front.append(index)
    return front


def best_distilled(
    points: Sequence[Point], student: str, test_sets: Sequence[str]
) -> Optional[Point]:
    """Choose the distilled point of a student with the least mean WER.

    Without a score the last one counts: methods are ordered from little to much.

    Args:
        points: of any student.
        student: whose.
        test_sets: the first that one of the student's is scored on counts.

    Returns:
        The point, or None where the student has none.
    """
    ours = [
        p
        for p in points
        if p.student == student and p.method not in ("teacher", "none")
    ]
    for test_set in test_sets:
        scored = [p for p in ours if p.wer.get(test_set)]
        if scored:
            return min(scored, key=lambda p: mean(p.wer[test_set]))
    return ours[-1] if ours else None
