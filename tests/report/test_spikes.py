import numpy as np
import pytest

from espnet_tutornet.report.spikes import (
    Spike,
    find_spikes,
    spike_offsets,
)

TOKENS = ["<blank>", "A", "B"]


def log_softmax(*rows):
    return np.log(np.array(rows) / np.sum(rows, axis=1, keepdims=True))


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
