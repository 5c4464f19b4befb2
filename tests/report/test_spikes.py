import itertools

import numpy as np
import pytest
import torch
import torchaudio

from espnet_tutornet.report.spikes import (
    Spike,
    find_spikes,
    force_align,
    spike_offsets,
)

TOKENS = ["<blank>", "A", "B"]


def log_softmax(*rows):
    return np.log(np.array(rows) / np.sum(rows, axis=1, keepdims=True))


def random_log_probs(frames, size, seed=0):
    rows = np.random.default_rng(seed).normal(size=(frames, size))
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def test_spikes_join_repeats_and_part_at_blanks_and_tokens():
    log_probs = log_softmax(
        [0.1, 0.9, 0.0001],
        [0.3, 0.7, 0.0001],
        [0.9, 0.1, 0.0001],
        [0.4, 0.6, 0.0001],
        [0.1, 0.3, 0.6],
    )
    found = find_spikes(log_probs, TOKENS, 0)
    assert [(s.token, s.frame) for s in found] == [("A", 0), ("A", 3), ("B", 4)]
    assert found[0].probability == pytest.approx(0.9, abs=1e-3)


def test_all_blank_has_no_spikes():
    assert find_spikes(log_softmax([9, 1, 1], [9, 1, 1]), TOKENS, 0) == []


def spikes(text, frames):
    return [Spike(token, frame, 1.0) for token, frame in zip(text, frames)]


def test_offsets_pair_tokens_that_both_say():
    teacher = spikes("ABCD", (2, 5, 9, 12))
    student = spikes("ACXD", (1, 5, 6, 7))  # B is missing, X is too much
    # 40 ms a student frame, 20 ms a teacher frame, centres:
    # A 60 - 50, C 220 - 190, D 300 - 250
    assert spike_offsets(student, teacher, 40.0, 20.0) == [10.0, 30.0, 50.0]
    assert spike_offsets([], teacher, 40.0, 20.0) == []


def test_offsets_tell_upper_from_lower_case():
    assert spike_offsets(spikes("a", [0]), spikes("A", [3]), 20.0, 20.0) == []


def test_alignment_of_spiky_posteriors_is_read_off_by_hand():
    log_probs = log_softmax(
        [0.9, 0.05, 0.05],
        [0.2, 0.7, 0.1],
        [0.3, 0.6, 0.1],
        [0.9, 0.05, 0.05],
        [0.1, 0.1, 0.8],
    )
    assert force_align(log_probs, [1, 2], 0) == [(1, 3), (4, 5)]
    # A A needs a blank between: frames 1 and 2 cannot both be A's
    assert force_align(log_probs[:4], [1, 1], 0) in ([(1, 2), (3, 4)], [(0, 1), (2, 3)])


@pytest.mark.parametrize("targets", [[1], [1, 1], [1, 2, 1], [2, 2, 1]])
def test_alignment_is_the_best_of_all_paths(targets):
    log_probs = random_log_probs(6, 3, seed=len(targets))
    best, found = -np.inf, None
    for path in itertools.product(range(3), repeat=6):
        said = [token for token, _ in itertools.groupby(path) if token]
        score = sum(log_probs[t, token] for t, token in enumerate(path))
        if said == targets and score > best:
            best, found = score, path
    runs, start = [], 0
    for token, group in itertools.groupby(found):
        stop = start + len(list(group))
        runs += [(start, stop)] * (token != 0)
        start = stop
    assert force_align(log_probs, targets, 0) == runs


@pytest.mark.skipif(
    not hasattr(torchaudio.functional, "forced_align"),
    reason="this torchaudio has no forced_align",
)
def test_alignment_is_that_of_torchaudio():
    log_probs = random_log_probs(60, 9).astype(np.float32)
    targets = np.random.default_rng(1).integers(1, 9, 20).tolist()
    path, _ = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs)[None], torch.tensor([targets], dtype=torch.int32)
    )
    path = path[0].tolist()
    for (start, stop), target in zip(force_align(log_probs, targets, 0), targets):
        assert path[start:stop] == [target] * (stop - start)
    assert sum(token != 0 for token in path) == sum(
        stop - start for start, stop in force_align(log_probs, targets, 0)
    )


def test_a_transcript_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 tokens with 1 repeats need.*got 2"):
        force_align(random_log_probs(2, 3), [1, 1], 0)
    with pytest.raises(ValueError, match="must not hold the blank, 0"):
        force_align(random_log_probs(4, 3), [1, 0], 0)
