from itertools import combinations

import pytest
import torch

from espnet_tutornet.layers.transducer_path import (
    align_path,
    find_lattice_path,
    read_path,
    take_nodes,
)


def lattice(frames, tokens, seed=0):
    """Return log probabilities of blank and label, (1, T, U + 1) each."""
    torch.manual_seed(seed)
    probs = torch.rand(1, frames, tokens + 1, 3).softmax(-1)
    return probs[..., 0].log(), probs[..., 1].log()


def all_paths(frames, tokens):
    """List the nodes of every path: where among its steps the labels are."""
    for places in combinations(range(frames + tokens - 1), tokens):
        t, u, nodes = 0, 0, []
        for step in range(frames + tokens):
            nodes.append((t, u))
            t, u = (t, u + 1) if step in places else (t + 1, u)
        yield nodes


def score(nodes, blank, label):
    """Add up the steps of a path, the last blank among them."""
    total = 0.0
    for (t, u), (_, after) in zip(nodes, [*nodes[1:], nodes[-1]]):
        total += float(label[0, t, u] if after > u else blank[0, t, u])
    return total


@pytest.mark.parametrize("frames, tokens", [(1, 0), (1, 2), (4, 0), (3, 2), (5, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_the_path_is_the_likeliest_of_all(frames, tokens, seed):
    blank, label = lattice(frames, tokens, seed)
    best = max(all_paths(frames, tokens), key=lambda p: score(p, blank, label))
    lens = torch.tensor([frames]), torch.tensor([tokens])
    found_frames, found_labels, node_lens = find_lattice_path(blank, label, *lens)
    assert node_lens.tolist() == [frames + tokens]
    assert list(zip(found_frames[0].tolist(), found_labels[0].tolist())) == best


def test_an_utterance_has_the_same_path_in_a_batch():
    (short_blank, short_label), (blank, label) = lattice(3, 1), lattice(5, 3, seed=1)
    alone = find_lattice_path(
        short_blank, short_label, torch.tensor([3]), torch.tensor([1])
    )
    both = [
        torch.cat([torch.nn.functional.pad(x, (0, 2, 0, 2), value=9.0), y])
        for x, y in ((short_blank, blank), (short_label, label))
    ]
    frames, labels, node_lens = find_lattice_path(
        *both, torch.tensor([3, 5]), torch.tensor([1, 3])
    )
    assert node_lens.tolist() == [4, 8]
    assert frames[0, :4].tolist() == alone[0][0].tolist()
    assert labels[0, :4].tolist() == alone[1][0].tolist()
    assert not frames[0, 4:].any() and not labels[0, 4:].any()


def path(nodes, probs):
    """Return the arguments of align_path for one utterance."""
    frames, labels = zip(*nodes)
    lens = torch.tensor([len(nodes)])
    return torch.tensor([frames]), torch.tensor([labels]), torch.tensor([probs]), lens


NODES = [(0, 0), (1, 0), (1, 1), (2, 1), (3, 1)]
PROBS = [[0.9, 0.1], [0.2, 0.7], [0.5, 0.0], [0.6, 0.0], [0.8, 0.0]]


def aligned(ratio, student_len, **more):
    frames, labels, probs, lens = align_path(
        *path(NODES, PROBS), ratio, torch.tensor([student_len]), **more
    )
    count = int(lens)
    return list(zip(frames[0].tolist(), labels[0].tolist()))[:count], probs[0, :count]


def test_with_equal_frames_a_path_stays_what_it_is():
    nodes, probs = aligned(1.0, 4)
    assert nodes == NODES
    torch.testing.assert_close(probs, torch.tensor(PROBS))


def test_a_slower_student_says_what_happens_in_both_frames():
    nodes, probs = aligned(2.0, 2)
    assert nodes == [(0, 0), (0, 1), (1, 1)]
    # no label in either frame; or in the first, or, after a blank, in the second
    expected = [[0.9 * 0.2, 0.1 + 0.9 * 0.7], [0.5, 0.0], [0.6 * 0.8, 0.0]]
    torch.testing.assert_close(probs, torch.tensor(expected))


def test_a_faster_student_has_a_node_under_each_of_the_teacher():
    nodes, probs = aligned(0.5, 8)
    assert nodes == [(1, 0), (3, 0), (3, 1), (5, 1), (7, 1)]
    torch.testing.assert_close(probs, torch.tensor(PROBS))


def test_what_lies_behind_the_students_end_happens_in_its_last_frame():
    nodes, probs = aligned(1.0, 3)
    assert nodes == [(0, 0), (1, 0), (1, 1), (2, 1)]
    torch.testing.assert_close(probs[-1], torch.tensor([0.6 * 0.8, 0.0]))
    nodes, _ = aligned(1.0, 4, delay=1)
    assert nodes == [(1, 0), (2, 0), (2, 1), (3, 1)]


def test_a_blank_of_probability_zero_is_no_nan():
    frames, labels, probs, lens = path(NODES, [[0.0, 1.0], *PROBS[1:]])
    found = align_path(frames, labels, probs, lens, 2.0, torch.tensor([2]))[2]
    torch.testing.assert_close(found[0, 0], torch.tensor([0.0, 1.0]))


def test_padded_nodes_change_nothing():
    one, two = path(NODES, PROBS), path(NODES[:2], PROBS[:2])
    pad = torch.nn.functional.pad
    frames, labels = (torch.cat([pad(y, (0, 3)), x]) for x, y in zip(one[:2], two[:2]))
    probs = torch.cat([pad(two[2], (0, 0, 0, 3)), one[2]])
    lens = torch.cat([two[3], one[3]])
    found = align_path(frames, labels, probs, lens, 2.0, torch.tensor([1, 2]))
    assert found[3].tolist() == [1, 3]
    torch.testing.assert_close(found[2][0, 0], torch.tensor([0.18, 0.73]))


def test_nodes_are_taken_with_their_gradient():
    x = torch.arange(24.0).view(1, 2, 3, 4).requires_grad_(True)
    found = take_nodes(x, torch.tensor([[1, 0]]), torch.tensor([[2, 1]]))
    assert found.tolist() == [[[20.0, 21.0, 22.0, 23.0], [4.0, 5.0, 6.0, 7.0]]]
    found.sum().backward()
    assert float(x.grad.sum()) == 8.0


@pytest.fixture
def transducer(build_asr):
    from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss

    provide_rnnt_loss("transducer")
    return build_asr(
        0,
        "rnn",
        decoder="transducer",
        decoder_conf={"rnn_type": "lstm", "hidden_size": 8},
        joint_net_conf={"joint_space_size": 8},
        model_conf={"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
    )


@pytest.mark.parametrize("nodes", [1, 2**24])
def test_a_transducer_is_read_along_its_own_best_path(
    transducer, batch, nodes, monkeypatch
):
    monkeypatch.setattr("espnet_tutornet.layers.transducer_path.NODES", nodes)
    with torch.no_grad():
        out, lens = transducer.encode(batch["speech"], batch["speech_lengths"])
    frames, labels, probs, node_lens = read_path(transducer, out, lens, batch)
    assert torch.equal(node_lens, lens + batch["text_lengths"])
    for b, count in enumerate(batch["text_lengths"].tolist()):
        text = batch["text"][b : b + 1, :count]
        ids = torch.cat([torch.zeros(1, 1, dtype=torch.long), text], dim=1)
        joint = transducer.joint_network(
            out[b : b + 1, : lens[b], None], transducer.decoder(ids)[:, None]
        )
        said = joint.softmax(-1)[0]
        for n in range(int(node_lens[b])):
            t, u = int(frames[b, n]), int(labels[b, n])
            label = float(said[t, u, text[0, u]]) if u < count else 0.0
            expected = torch.tensor([float(said[t, u, 0]), label])
            torch.testing.assert_close(probs[b, n], expected)
