"""Align references and hypotheses as sclite does, many pairs at a time."""

import string
from typing import Dict, List, Sequence

import numpy as np

SUB_COST, GAP_COST = 4, 3
BATCH_CELLS = 4_000_000  # of int32: 16 MB of alignment costs at a time
OPERATIONS = np.frombuffer(b" CSDI", dtype="S1")
FOLD_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def align(refs: Sequence[Sequence[str]], hyps: Sequence[Sequence[str]]) -> List[str]:
    """Align each pair of token lists as sclite does.

    Returns:
        One string a pair, one letter an operation in time order: C correct,
        S substituted, D deleted, I inserted.

    Example:
        >>> align([["A", "B", "C"]], [["x", "y", "a"]])
        ['SSS']
    """
    order = sorted(range(len(refs)), key=lambda n: (len(refs[n]), len(hyps[n])))
    result = [""] * len(refs)
    batch: List[int] = []
    width = 0
    for position in order:
        columns = max(width, len(hyps[position]) + 1)
        cells = (len(batch) + 1) * (len(refs[position]) + 1) * columns
        if batch and cells > BATCH_CELLS:
            _align_batch(batch, refs, hyps, result)
            batch, columns = [], len(hyps[position]) + 1
        batch.append(position)
        width = columns
    if batch:
        _align_batch(batch, refs, hyps, result)
    return result


def _align_batch(batch, refs, hyps, result) -> None:
    """Fill ``result`` at the positions ``batch``."""
    known: Dict[str, int] = {}

    def pad(texts, value):
        width = max(1, max(len(texts[n]) for n in batch))
        tokens = np.full((len(batch), width), value, dtype=np.int32)
        for row, n in enumerate(batch):
            folded = (token.translate(FOLD_CASE) for token in texts[n])
            tokens[row, : len(texts[n])] = [
                known.setdefault(t, len(known)) for t in folded
            ]
        return tokens, np.array([len(texts[n]) for n in batch])

    (ref, ref_lens), (hyp, hyp_lens) = pad(refs, -1), pad(hyps, -2)
    cost = _alignment_cost(ref, hyp)
    operations = _trace_back(cost, ref, hyp, ref_lens, hyp_lens)
    for n, row in zip(batch, operations):
        result[n] = row.tobytes().decode().lstrip()


def _alignment_cost(ref: np.ndarray, hyp: np.ndarray) -> np.ndarray:
    """Return (R + 1, B, H + 1): the cheapest alignment of every pair of prefixes."""
    (batch, rows), columns = ref.shape, hyp.shape[1]
    cost = np.empty((rows + 1, batch, columns + 1), dtype=np.int32)
    insertions = GAP_COST * np.arange(columns + 1, dtype=np.int32)
    cost[0] = insertions
    for row in range(rows):
        best = cost[row] + GAP_COST
        mismatch = SUB_COST * (ref[:, row, None] != hyp).astype(np.int32)
        np.minimum(best[:, 1:], cost[row, :, :-1] + mismatch, out=best[:, 1:])
        # Runs of insertions: min over k <= j of best[k] + 3 * (j - k).
        best -= insertions
        np.minimum.accumulate(best, axis=1, out=best)
        cost[row + 1] = best + insertions
    return cost


def _trace_back(cost, ref, hyp, ref_lens, hyp_lens) -> np.ndarray:
    """Walk (B,) alignments from their ends; ties: C or S, then I, then D."""
    i, j = ref_lens.copy(), hyp_lens.copy()
    each = np.arange(len(i))
    steps = []
    while (i + j).any():
        # An index of -1 wraps around; the masks below never use what it reads.
        differs = ref[each, i - 1] != hyp[each, j - 1]
        diagonal = cost[i - 1, each, j - 1] + SUB_COST * differs
        pairs = (i > 0) & (j > 0) & (diagonal == cost[i, each, j])
        cheaper = cost[i - 1, each, j] < cost[i, each, j - 1]
        deletes = ~pairs & (i > 0) & ((j == 0) | cheaper)
        inserts = ~pairs & ~deletes & (j > 0)
        steps.append(pairs * (1 + differs) + 3 * deletes + 4 * inserts)
        i -= pairs | deletes
        j -= pairs | inserts
    if not steps:
        return np.full((len(i), 1), b" ", dtype="S1")
    return OPERATIONS[np.stack(steps[::-1], axis=1)]
