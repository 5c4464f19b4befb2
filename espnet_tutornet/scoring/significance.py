"""Is one recogniser better than another? A paired bootstrap over utterances."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

BATCH_DRAWS = 2_000_000  # of int32 and two gathered int64: 40 MB at a time
UTTERANCE = re.compile(
    r"^id: \((.*)\)\s+(?:.*\n)??Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)",
    re.MULTILINE,
)


class Errors(NamedTuple):
    """Errors of a recogniser in each utterance of a set.

    Tuples, because there are many of them: utterances and small numbers are shared.

    Attributes:
        utterances: ids, sorted.
        wrong: substitutions, deletions and insertions of each.
        words: of its reference.
    """

    utterances: Tuple[str, ...]
    wrong: Tuple[int, ...]
    words: Tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """Error rate of one system less that of another, in percent of the words."""

    rate: float
    low: float  # of the 95 % interval
    high: float
    p_value: float  # two-sided
    seeds: int  # that both have


def read_errors(path: Union[str, Path]) -> Errors:
    """Read the errors of every utterance from ``score_wer/result.txt``.

    Args:
        path: report of sclite or of the internal scorer, which have one form.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it shows no utterance.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. Score the set first.")
    rows = []
    text = path.read_text(encoding="utf-8", errors="replace")
    for label, *counts in UTTERANCE.findall(text):
        correct, substituted, deleted, inserted = map(int, counts)
        wrong = substituted + deleted + inserted
        rows.append((sys.intern(label), wrong, correct + substituted + deleted))
    if not rows:
        raise ValueError(
            f"{path}: expected utterances with 'Scores: (#C #S #D #I)', found none. "
            "Score the set anew with --force."
        )
    return Errors(*zip(*sorted(rows)))


def compare_errors(
    ours: np.ndarray,
    theirs: np.ndarray,
    words: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    seeds: int = 1,
) -> Difference:
    """Compare two systems by resampling the utterances that both have decoded.

    The p-value is that of no difference: twice the share of resamples, the observed
    one counted in, on the rarer side of zero. Equal systems have 1.

    Args:
        ours: (N,) errors of each utterance.
        theirs: (N,) errors of the same utterances by the other system.
        words: (N,) reference words.
        resamples: of N utterances, drawn with replacement.
        seed: of the draws.
        seeds: trainings that the errors are summed over; only passed on.

    Raises:
        ValueError: the shapes differ, or there is no word.

    Example:
        >>> better = compare_errors(np.zeros(50), np.ones(50), np.full(50, 10))
        >>> better.rate, better.low, better.high, round(better.p_value, 3)
        (-10.0, -10.0, -10.0, 0.002)

    Source:
        Bisani and Ney, Bootstrap estimates for confidence intervals in ASR
        performance evaluation, ICASSP 2004. The two-sided p-value is ours: they
        report the share of resamples in which a system is better.
    """
    ours, theirs, words = (np.asarray(a, np.int64) for a in (ours, theirs, words))
    if not ours.shape == theirs.shape == words.shape or words.sum() < 1:
        raise ValueError(
            "expected errors and words of the same utterances, some words among them, "
            f"got shapes {ours.shape}, {theirs.shape}, {words.shape} and "
            f"{words.sum()} words. Score both systems on the same set."
        )
    rng = np.random.default_rng(seed)
    more = ours - theirs
    size = max(BATCH_DRAWS // len(words), 1)
    rates = []
    for start in range(0, resamples, size):
        shape = (min(size, resamples - start), len(words))
        drawn = rng.integers(0, len(words), shape, dtype=np.int32)
        sums = np.maximum(words[drawn].sum(axis=1), 1)  # none may have a word
        rates.append(100 * more[drawn].sum(axis=1) / sums)
    drawn_rates = np.concatenate(rates)
    rarer = min((drawn_rates <= 0).sum(), (drawn_rates >= 0).sum())
    low, high = np.percentile(drawn_rates, [2.5, 97.5])
    return Difference(
        rate=100 * float(more.sum() / words.sum()),
        low=float(low),
        high=float(high),
        p_value=min(1.0, 2 * float(rarer + 1) / (resamples + 1)),
        seeds=seeds,
    )


def correct_p_values(p_values: Sequence[float]) -> List[float]:
    """Correct the p-values of several comparisons with one baseline.

    Returns:
        What each is when all of them were looked at, in the order given: to call those
        below 0.05 differences is wrong for any of them in one case of twenty.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, 1979.

    Example:
        >>> correct_p_values([0.03, 0.01, 0.5])
        [0.06, 0.03, 0.5]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, most = list(p_values), 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = most
    return corrected


def compare_seeds(
    ours: Mapping[int, Errors], theirs: Mapping[int, Errors], **options
) -> Optional[Difference]:
    """Compare two systems trained with several seeds, matched by seed.

    The errors of an utterance are summed over the seeds that both have, so that it is
    drawn with all of them.

    Args:
        ours: errors by seed.
        theirs: those of the other system.
        options: further arguments of :func:`compare_errors`.

    Returns:
        None where the two have no seed in common.

    Raises:
        ValueError: they decoded different utterances.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    first = ours[seeds[0]]
    pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    for seed, pair in zip(seeds, pairs):
        for errors in pair:
            if errors.utterances != first.utterances:
                raise ValueError(
                    f"seed {seed}: expected the same {len(first.utterances)} "
                    "utterances of all seeds and systems, got "
                    f"{len(errors.utterances)}, not all of them alike. Decode and "
                    "score the runs on one version of the set."
                )
    wrong = np.array([[errors.wrong for errors in pair] for pair in pairs])
    words = np.array([errors.words for errors, _ in pairs])
    our_sum, their_sum = wrong.sum(axis=0)  # (seeds, 2, N) -> (N,) each
    return compare_errors(
        our_sum, their_sum, words.sum(axis=0), seeds=len(seeds), **options
    )
