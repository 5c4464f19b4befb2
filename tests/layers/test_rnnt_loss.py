import importlib
import math
import sys

import pytest
import torch

from espnet_tutornet.layers.rnnt_loss import RNNTLoss, provide_rnnt_loss


def forward_probability(probs, labels, blank=0):
    """Add up all alignments of an utterance: alpha[t][u] of a (T, L + 1, V) lattice."""
    frames, tokens = probs.shape[:2]
    alpha = [[0.0] * tokens for _ in range(frames)]
    for t in range(frames):
        for u in range(tokens):
            if t == u == 0:
                alpha[t][u] = 1.0
                continue
            if t > 0:
                alpha[t][u] += alpha[t - 1][u] * float(probs[t - 1, u, blank])
            if u > 0:
                alpha[t][u] += alpha[t][u - 1] * float(probs[t, u - 1, labels[u - 1]])
    return alpha[-1][-1] * float(probs[-1, -1, blank])


def random_batch(frames=(5, 3), tokens=(3, 2), vocab_size=6):
    torch.manual_seed(0)
    logits = torch.randn(2, max(frames), max(tokens) + 1, vocab_size)
    labels = torch.tensor([[3, 1, 3], [2, 5, 0]], dtype=torch.int32)
    lens = [torch.tensor(x, dtype=torch.int32) for x in (frames, tokens)]
    return logits, labels, *lens


def test_two_frames_and_a_label_by_hand():
    """Frames say blank with 1/2 and 1/4 before the label, 1/3 and 1/5 behind it."""
    probs = torch.tensor(
        [[[1 / 2, 1 / 2], [1 / 3, 2 / 3]], [[1 / 4, 3 / 4], [1 / 5, 4 / 5]]]
    )
    lens = torch.tensor([[2], [1]], dtype=torch.int32)
    labels = torch.tensor([[1]], dtype=torch.int32)
    found = RNNTLoss()(probs.log()[None], labels, *lens)
    # label in the first frame, or in the second
    expected = 1 / 2 * 1 / 3 * 1 / 5 + 1 / 2 * 3 / 4 * 1 / 5
    assert math.exp(-float(found)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("blank", [0, 4])
def test_utterances_of_several_lengths_are_those_of_the_lattice(blank):
    logits, labels, frames, tokens = random_batch()
    found = RNNTLoss(blank, reduction="none")(logits, labels, frames, tokens)
    for b in range(2):
        lattice = logits[b, : frames[b], : tokens[b] + 1].softmax(-1)
        expected = forward_probability(lattice, labels[b].tolist(), blank)
        assert math.exp(-float(found[b])) == pytest.approx(expected, rel=1e-5)


def test_the_default_is_the_mean_over_utterances():
    batch = random_batch()
    each = RNNTLoss(reduction="none")(*batch)
    torch.testing.assert_close(RNNTLoss()(*batch), each.mean())
    torch.testing.assert_close(RNNTLoss(reduction="sum")(*batch), each.sum())


def test_value_and_gradient_are_those_of_espnets_own_implementation():
    numba_loss = pytest.importorskip(
        "espnet2.asr.transducer.rnnt_multi_blank.rnnt_multi_blank",
        reason="this release has no loss of its own",
    )
    logits, labels, frames, tokens = random_batch()
    found = []
    for loss in (
        RNNTLoss(blank=0, fastemit_lambda=0.0),
        numba_loss.RNNTLossNumba(blank=0, reduction="mean", fastemit_lambda=0.0),
    ):
        given = logits.clone().requires_grad_(True)
        value = loss(given, labels, frames, tokens).squeeze()
        value.backward()
        found.append((value.detach(), given.grad))
    torch.testing.assert_close(found[0], found[1])


def test_half_precision_and_longer_padding_change_nothing():
    logits, labels, frames, tokens = random_batch()
    expected = RNNTLoss()(logits.half().float(), labels, frames, tokens)
    padded = torch.nn.functional.pad(logits.half(), (0, 0, 0, 2, 0, 3), value=7.0)
    labels = torch.nn.functional.pad(labels, (0, 2))
    found = RNNTLoss()(padded, labels.long(), frames.long(), tokens.long())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_without_any_label_it_is_the_probability_of_blanks():
    logits, labels, frames, _ = random_batch()
    none = torch.zeros(2, dtype=torch.int32)
    found = RNNTLoss(reduction="none")(logits, labels, frames, none)
    blanks = logits[:, :, 0].log_softmax(-1)[..., 0]
    expected = torch.stack([-row[:t].sum() for row, t in zip(blanks, frames)])
    torch.testing.assert_close(found, expected)


def test_what_torchaudio_lacks_is_refused_by_name():
    with pytest.raises(
        ValueError, match="fastemit_lambda must be 0.0, got 0.1.*has no"
    ):
        RNNTLoss(fastemit_lambda=0.1)
    with pytest.raises(ValueError, match="reduction must be one of.*got 'median'"):
        RNNTLoss(reduction="median")


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Return found(): the module of the loss that ESPnet would get, or none."""
    before = sys.modules.pop("warprnnt_pytorch", None)
    monkeypatch.syspath_prepend(str(tmp_path))

    def find():
        try:
            return importlib.import_module("warprnnt_pytorch").RNNTLoss.__module__
        except ModuleNotFoundError:
            return "none"

    yield find
    sys.modules.pop("warprnnt_pytorch", None)
    if before is not None:
        sys.modules["warprnnt_pytorch"] = before


@pytest.mark.parametrize(
    "decoder, installed, expected",
    [
        ("transformer", False, "none"),
        (None, False, "none"),
        ("transducer", False, "espnet_tutornet.layers.rnnt_loss"),
        ("transducer", True, "warprnnt_pytorch"),
    ],
)
def test_it_stands_in_for_a_transducer_where_none_is_installed(
    tmp_path, found, decoder, installed, expected
):
    if installed:
        (tmp_path / "warprnnt_pytorch.py").write_text("class RNNTLoss:\n    pass\n")
    provide_rnnt_loss(decoder)
    assert found() == expected


def test_it_may_be_asked_for_twice():
    for _ in range(2):
        provide_rnnt_loss("transducer")
    from warprnnt_pytorch import RNNTLoss as found

    assert found.__name__ == "RNNTLoss"
