"""Which word confusions distillation mended, and which it made."""

from collections import Counter
from dataclasses import dataclass
from typing import List, Tuple

from espnet_tutornet.scoring.alignment import align
from espnet_tutornet.scoring.score import Texts, check_pairs

Substitutions = Counter  # of (reference word, recognised word)


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
