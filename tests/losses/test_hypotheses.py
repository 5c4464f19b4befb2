import itertools
import time

import pytest
import torch

from espnet_tutornet.losses.hypotheses import best_hypotheses, greedy_hypotheses


def certain(*rows, vocab_size=4):
    """Return log probabilities that say these tokens."""
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True)
    probs = torch.nn.functional.one_hot(padded, vocab_size) * 0.88 + 0.03
    return probs.log(), torch.tensor([len(row) for row in rows])


def spelled(found, b):
    return [
        labels[:length].tolist()
        for labels, length in zip(found.labels[b], found.lens[b])
    ]


def collapse(path):
    return tuple(k for k, _ in itertools.groupby(path) if k != 0)


def every_sequence(log_probs):
    """Sum all paths of one utterance by the sequence that they spell."""
    frames, size = log_probs.shape
    sums = {}
    for path in itertools.product(range(size), repeat=frames):
        p = sum(log_probs[t, v] for t, v in enumerate(path)).exp().item()
        sums[collapse(path)] = sums.get(collapse(path), 0.0) + p
    return sums


def test_greedy_collapses_repeats_then_blanks():
    rows = ([0, 1, 1, 0, 1, 2, 2], [3, 3, 0, 3], [0, 0, 0], [2])
    found = greedy_hypotheses(*certain(*rows), 0)
    assert [spelled(found, b)[0] for b in range(4)] == [[1, 1, 2], [3, 3], [], [2]]
    assert found.weights.tolist() == [[1.0]] * 4
    assert found.labels[1].tolist() == [[3, 3, 0]]  # padded with 0


def test_greedy_reads_the_valid_frames_and_the_blank_it_is_told():
    log_probs, _ = certain([1, 1, 2, 3, 0])
    found = greedy_hypotheses(log_probs, torch.tensor([3]), 2)
    assert spelled(found, 0) == [[1]]
    log_probs[:, 3:] = float("nan")
    assert spelled(greedy_hypotheses(log_probs, torch.tensor([3]), 0), 0) == [[1, 2]]


def test_nothing_but_blank_is_empty():
    found = greedy_hypotheses(*certain([0, 0], [0, 0]), 0)
    assert found.lens.tolist() == [[0], [0]] and found.labels.shape == (2, 1, 1)
    found = best_hypotheses(*certain([0, 0], [0, 0]), 0, nbest=2)
    assert spelled(found, 0)[0] == []


def test_the_best_sequence_is_not_the_best_path():
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    lens = torch.tensor([2])
    assert spelled(greedy_hypotheses(log_probs, lens, 0), 0) == [[]]
    found = best_hypotheses(log_probs, lens, 0, nbest=3)
    assert spelled(found, 0) == [[1], [], []]  # no third one
    expected = torch.tensor([[0.64, 0.36, 0.0]])  # 1 - 0.6 * 0.6
    torch.testing.assert_close(found.weights, expected)


@pytest.mark.parametrize("blank_id", [0, 2])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_sums_of_all_paths(seed, blank_id):
    torch.manual_seed(seed)
    log_probs = torch.randn(2, 5, 3).log_softmax(-1)
    lens = torch.tensor([5, 4])
    # more prefixes than there are sequences: nothing is lost
    found = best_hypotheses(log_probs, lens, blank_id, nbest=40)
    order = [blank_id, *(v for v in range(3) if v != blank_id)]
    for b, frames in enumerate(lens.tolist()):
        sums = every_sequence(log_probs[b, :frames, order])
        ranked = sorted(sums.items(), key=lambda item: -item[1])
        expected = [[order[k] for k in labels] for labels, _ in ranked]
        assert spelled(found, b)[: len(ranked)] == expected
        probabilities = torch.tensor([p for _, p in ranked])
        torch.testing.assert_close(
            found.weights[b, : len(ranked)], probabilities, rtol=1e-4, atol=1e-6
        )
        assert not found.weights[b, len(ranked) :].any()


def test_a_frame_that_is_passed_over_still_parts_two_of_a_kind():
    sure = [0.9999, 0.0001]
    log_probs = torch.tensor([[[0.1, 0.9], sure, sure, [0.1, 0.9]]]).log()
    best = spelled(best_hypotheses(log_probs, torch.tensor([4]), 0, nbest=2), 0)[0]
    assert best == [1, 1]


def test_a_long_utterance_does_not_underflow():
    torch.manual_seed(0)
    log_probs = torch.randn(1, 3000, 6).log_softmax(-1)
    found = best_hypotheses(log_probs, torch.tensor([3000]), 0, nbest=2)
    assert found.weights.isfinite().all() and found.lens.min() > 500
    torch.testing.assert_close(found.weights.sum(), torch.tensor(1.0))


def test_padding_is_not_read():
    log_probs, _ = certain([1, 0, 2, 3])
    short = best_hypotheses(log_probs[:, :3], torch.tensor([3]), 0, nbest=2)
    log_probs[:, 3] = float("nan")
    padded = best_hypotheses(log_probs, torch.tensor([3]), 0, nbest=2)
    assert all(torch.equal(*pair) for pair in zip(short, padded))


def test_the_search_is_fast_enough_for_a_training():
    """16 utterances of 100 frames; measured 5 to 20 ms, with a wide margin."""
    torch.manual_seed(0)
    spikes = torch.where(torch.rand(16, 100) < 0.3, torch.randint(1, 500, (16, 100)), 0)
    logits = torch.randn(16, 100, 500)
    logits.scatter_(2, spikes.unsqueeze(-1), 12.0)
    log_probs, lens = logits.log_softmax(-1), torch.full((16,), 100)
    start = time.perf_counter()
    best_hypotheses(log_probs, lens, 0, nbest=4)
    assert time.perf_counter() - start < 1.0
