import math

import pytest
import torch

from espnet_tutornet.losses.transducer import TransducerLoss

NONE = torch.zeros(1, 2, dtype=torch.bool)


def node(*probs):
    """Return logits of given probabilities, up to a constant."""
    return (torch.tensor(probs).log() + 3.0).tolist()


def test_two_nodes_by_hand():
    """At the second there is no next label: what is not blank is one value."""
    logits = torch.tensor([[node(0.5, 0.25, 0.125, 0.125), node(0.5, 0.2, 0.2, 0.1)]])
    teacher = torch.tensor([[[0.25, 0.5], [0.75, 0.0]]])
    labels = torch.tensor([[2, 0]])
    found = TransducerLoss()(logits, labels, teacher, NONE)
    first = 0.25 * math.log(0.25 / 0.5) + 0.5 * math.log(0.5 / 0.125)
    first += 0.25 * math.log(0.25 / 0.375)
    second = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(found) == pytest.approx(first + second, rel=1e-5)


def test_it_is_the_mean_over_utterances_and_padding_may_hold_anything():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5)
    logits[0, 2] = torch.nan
    logits.requires_grad_(True)
    teacher = torch.rand(2, 3, 3).softmax(-1)[..., :2].clone()
    teacher[0, 2] = torch.nan
    labels = torch.tensor([[1, 2, 3], [4, 1, 0]])
    pad_mask = torch.tensor([[False, False, True], [False] * 3])
    loss = TransducerLoss()(logits, labels, teacher, pad_mask)
    each = [
        TransducerLoss()(
            logits[b : b + 1, :n],
            labels[b : b + 1, :n],
            teacher[b : b + 1, :n],
            pad_mask[b : b + 1, :n],
        )
        for b, n in ((0, 2), (1, 3))
    ]
    torch.testing.assert_close(loss, (each[0] + each[1]) / 2)
    loss.backward()
    assert logits.grad.isfinite().all() and not logits.grad[0, 2].any()
    assert logits.grad[1].any()


@pytest.mark.parametrize("blank_id", [0, 3])
def test_it_is_zero_at_equality_and_so_is_its_gradient(blank_id):
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 6, requires_grad=True)
    labels = torch.tensor([[5, blank_id]])
    probs = logits.detach().softmax(-1)
    said = torch.stack([probs[..., blank_id], probs[0, [0, 1], [5, 1]][None]], dim=-1)
    said[0, 1, 1] = 0.0
    loss = TransducerLoss()(logits, labels, said, NONE, blank_id)
    loss.backward()
    assert abs(float(loss)) < 1e-6 and float(logits.grad.abs().max()) < 1e-6


def test_a_certain_teacher_is_no_nan():
    logits = torch.zeros(1, 2, 4, requires_grad=True)
    teacher = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    loss = TransducerLoss()(logits, torch.tensor([[1, 1]]), teacher, NONE)
    loss.backward()
    assert float(loss) == pytest.approx(2 * math.log(4.0))
    assert logits.grad.isfinite().all()


def test_all_padding_is_zero_and_differentiable():
    logits = torch.full((1, 2, 4), torch.inf, requires_grad=True)
    loss = TransducerLoss()(logits, NONE.long(), torch.zeros(1, 2, 2), ~NONE)
    loss.backward()
    assert float(loss) == 0.0 and not logits.grad.any()


def test_the_teacher_gets_no_gradient():
    teacher = torch.full((1, 2, 2), 0.4, requires_grad=True)
    logits = torch.zeros(1, 2, 4, requires_grad=True)
    TransducerLoss()(logits, torch.tensor([[1, 1]]), teacher, NONE).backward()
    assert teacher.grad is None


def test_half_precision_is_summed_in_float32():
    logits = torch.tensor([[node(0.5, 0.25, 0.25), node(0.2, 0.2, 0.6)]])
    teacher = torch.tensor([[[0.25, 0.5], [0.75, 0.25]]])
    given = torch.tensor([[1, 2]]), teacher, NONE
    half = TransducerLoss()(logits.half(), *given)
    assert half.dtype == torch.float32
    torch.testing.assert_close(
        half, TransducerLoss()(logits, *given), rtol=1e-2, atol=0
    )


def test_bad_arguments_are_named():
    with pytest.raises(
        ValueError, match=r"criterion must be one of \['kl'\], got 'l2'"
    ):
        TransducerLoss("l2")
    with pytest.raises(ValueError, match=r"blank_id must be in \[0, 4\), got 4"):
        TransducerLoss()(
            torch.zeros(1, 2, 4), NONE.long(), torch.zeros(1, 2, 2), NONE, 4
        )
