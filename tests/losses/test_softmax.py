import math

import pytest
import torch
from memory import PeakMemory

from espnet_tutornet.losses.masking import make_pad_mask
from espnet_tutornet.losses.softmax import SoftmaxLoss

LENS = torch.tensor([5, 3])
CASES = [("l2", 1.0), ("kl", 1.0), ("kl", 2.0), ("guided", 1.0)]
VALID = torch.zeros(1, 2, dtype=torch.bool)


def random_batch(seed=0, frames=5):
    torch.manual_seed(seed)
    logits = torch.randn(2, frames, 7).mul(3)
    teacher = torch.randn(2, frames, 7).mul(3).log_softmax(-1)
    return logits, teacher, make_pad_mask(LENS, frames)


def plain(criterion, temperature, logits, teacher, lens=LENS):
    """Compute L_SKD as written, one utterance at a time."""
    total = 0.0
    for b, frames in enumerate(lens.tolist()):
        z, t = logits[b, :frames], teacher[b, :frames]
        if criterion == "l2":
            total = total + ((z.softmax(-1) - t.exp()) ** 2).sum()
        elif criterion == "guided":
            for p, k in zip(z.softmax(-1), t.argmax(-1)):
                total = total - p[k] * (k != 0)
        else:
            log_p = (z / temperature).log_softmax(-1)
            log_q = (t / temperature).log_softmax(-1)
            divergence = (log_q.exp() * (log_q - log_p)).sum()
            total = total + temperature**2 * divergence
    return total / len(lens)


def loss_and_grad(loss, logits, teacher, mask):
    logits = logits.clone().requires_grad_()
    value = loss(logits, teacher, mask)
    value.backward()
    return value.detach(), logits.grad


def test_l2_by_hand_on_two_frames():
    logits = torch.tensor([[[0.6, 0.4], [0.5, 0.5]]]).log()
    teacher = torch.tensor([[[0.9, 0.1], [0.25, 0.75]]]).log()
    expected = 2 * 0.3**2 + 2 * 0.25**2
    got = SoftmaxLoss("l2")(logits, teacher, VALID)
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_kl_by_hand_on_two_frames():
    logits = torch.tensor([[[0.6, 0.4], [0.5, 0.5]]]).log()
    teacher = torch.tensor([[[0.9, 0.1], [0.25, 0.75]]]).log()
    expected = (
        0.9 * math.log(0.9 / 0.6)
        + 0.1 * math.log(0.1 / 0.4)
        + 0.25 * math.log(0.25 / 0.5)
        + 0.75 * math.log(0.75 / 0.5)
    )
    got = SoftmaxLoss("kl")(logits, teacher, VALID)
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_kl_at_temperature_two_by_hand():
    # square roots of (16, 4) / 20 and (1, 9) / 10, normalised: (4, 2) / 6, (1, 3) / 4
    logits = torch.tensor([[[0.8, 0.2]]]).log()
    teacher = torch.tensor([[[0.1, 0.9]]]).log()
    q, p = (1 / 4, 3 / 4), (2 / 3, 1 / 3)
    expected = 4 * sum(a * math.log(a / b) for a, b in zip(q, p))
    got = SoftmaxLoss("kl", 2.0)(logits, teacher, VALID[:, :1])
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_guided_by_hand_on_three_frames():
    logits = torch.tensor([[[0.6, 0.3, 0.1], [0.5, 0.2, 0.3], [0.2, 0.7, 0.1]]]).log()
    # the teacher says 1, blank, 2
    teacher = torch.tensor([[[0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.2, 0.2, 0.6]]]).log()
    logits.requires_grad_()
    got = SoftmaxLoss("guided")(logits, teacher, torch.zeros(1, 3, dtype=torch.bool))
    assert got.item() == pytest.approx(-0.3 - 0.1, rel=1e-5)
    got.backward()
    # p_k p_v - p_k [v = k]
    first = [0.3 * 0.6, 0.3 * 0.3 - 0.3, 0.3 * 0.1]
    third = [0.1 * 0.2, 0.1 * 0.7, 0.1 * 0.1 - 0.1]
    torch.testing.assert_close(logits.grad, torch.tensor([[first, [0.0] * 3, third]]))


def test_guided_reads_another_blank():
    logits, teacher, mask = random_batch()
    loss = SoftmaxLoss("guided")
    picked = torch.gather(
        logits.softmax(-1), 2, teacher.argmax(-1, keepdim=True)
    ).squeeze(-1)
    read = (teacher.argmax(-1) != 6) & ~mask
    assert read.sum() < (~mask).sum()
    torch.testing.assert_close(loss(logits, teacher, mask, 6), -picked[read].sum() / 2)


@pytest.mark.parametrize("blank", ["drop", "symmetric"])
def test_guided_has_its_own_frames(blank):
    with pytest.raises(ValueError, match=f"guided reads.*got blank: {blank}. Remove"):
        SoftmaxLoss("guided", blank=blank)


@pytest.mark.parametrize("criterion, temperature", CASES[:3])
@pytest.mark.parametrize(
    "blank, blank_conf, kept",
    [
        ("all", None, [0, 1, 2, 3, 4]),
        ("drop", {}, [1, 4]),
        ("symmetric", {"frames": 1}, [0, 1, 2, 3, 4]),
        ("symmetric", {"frames": 0}, [1, 4]),
        ("threshold", {"threshold": 0.6}, [1, 3, 4]),
        ("random", {"share": 0.0}, [1, 4]),
    ],
)
def test_frames_left_out_have_no_loss_and_no_gradient(
    criterion, temperature, blank, blank_conf, kept
):
    logits, teacher, _ = random_batch()
    blanks = torch.tensor([0.9, 0.2, 0.7, 0.5, 0.1])
    rest = (1.0 - blanks).outer(torch.tensor([0.4, 0.3, 0.3]))
    teacher = torch.cat([blanks.unsqueeze(1), rest], dim=1).log().unsqueeze(0)
    logits = logits[:1, :, :4]
    loss = SoftmaxLoss(criterion, temperature, blank, blank_conf)
    mask = torch.zeros(1, 5, dtype=torch.bool)
    value, grad = loss_and_grad(loss, logits, teacher, mask)
    expected = plain(
        criterion,
        temperature,
        logits[:, kept],
        teacher[:, kept],
        torch.tensor([len(kept)]),
    )
    torch.testing.assert_close(value, expected)
    assert [t for t in range(5) if grad[0, t].any()] == kept


def test_what_is_left_out_may_hold_anything():
    logits = torch.tensor([[[0.6, 0.4], [float("nan"), 0.5]]])
    teacher = torch.tensor([[[0.1, 0.9], [0.9, 0.1]]]).log()
    for criterion, temperature in CASES[:3]:
        loss = SoftmaxLoss(criterion, temperature, blank="drop")
        value, grad = loss_and_grad(loss, logits, teacher, VALID)
        assert value.isfinite() and grad[0, 0].any() and not grad[0, 1].any()


@pytest.mark.parametrize("criterion, temperature", CASES)
def test_loss_and_gradient_equal_plain_autograd(criterion, temperature):
    logits, teacher, mask = random_batch()
    loss = SoftmaxLoss(criterion, temperature)
    value, grad = loss_and_grad(loss, logits, teacher, mask)
    reference = logits.double().requires_grad_()
    expected = plain(criterion, temperature, reference, teacher.double())
    expected.backward()
    torch.testing.assert_close(value, expected.detach().float())
    torch.testing.assert_close(grad, reference.grad.float())


@pytest.mark.parametrize("criterion, temperature", CASES)
def test_gradient_is_scaled_by_what_comes_from_above(criterion, temperature):
    logits, teacher, mask = random_batch()
    loss = SoftmaxLoss(criterion, temperature)
    _, grad = loss_and_grad(loss, logits, teacher, mask)
    _, scaled = loss_and_grad(lambda *x: -0.25 * loss(*x), logits, teacher, mask)
    torch.testing.assert_close(scaled, -0.25 * grad)


@pytest.mark.parametrize("criterion, temperature", CASES[:3])
def test_loss_is_zero_at_equality(criterion, temperature):
    logits, _, mask = random_batch()
    value, grad = loss_and_grad(
        SoftmaxLoss(criterion, temperature), logits, logits.log_softmax(-1), mask
    )
    assert abs(value.item()) < 1e-5
    assert grad.abs().max() < 1e-6


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("criterion, temperature", CASES)
def test_loss_and_gradient_do_not_see_padding(criterion, temperature, garbage):
    logits, teacher, mask = random_batch()
    loss = SoftmaxLoss(criterion, temperature)
    value, grad = loss_and_grad(loss, logits, teacher, mask)
    longer = []
    for x in (logits, teacher):
        x = x.masked_fill(mask.unsqueeze(-1), garbage)
        longer.append(torch.cat([x, torch.full_like(x[:, :2], garbage)], dim=1))
    got, got_grad = loss_and_grad(loss, *longer, make_pad_mask(LENS, 7))
    torch.testing.assert_close(got, value)
    torch.testing.assert_close(got_grad[:, :5], grad)
    assert not got_grad[:, 5:].any()


@pytest.mark.parametrize("criterion, temperature", CASES)
def test_all_padding_is_zero_and_differentiable(criterion, temperature):
    logits, teacher, mask = random_batch()
    value, grad = loss_and_grad(
        SoftmaxLoss(criterion, temperature), logits, teacher, torch.ones_like(mask)
    )
    assert value.item() == 0.0
    assert not grad.any()


@pytest.mark.parametrize("criterion, temperature", CASES)
def test_a_certain_teacher_gives_finite_loss_and_gradient(criterion, temperature):
    teacher = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]).log()
    logits = torch.tensor([[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]])
    value, grad = loss_and_grad(
        SoftmaxLoss(criterion, temperature), logits, teacher, VALID
    )
    log_p = (logits / temperature).log_softmax(-1)
    expected = {
        "l2": ((logits.softmax(-1) - teacher.exp()) ** 2).sum(),
        "kl": -(temperature**2) * (log_p[0, 0, 0] + log_p[0, 1, 2]),
        "guided": -logits.softmax(-1)[0, 1, 2],
    }
    torch.testing.assert_close(value, expected[criterion])
    assert grad.isfinite().all()


def test_l2_barely_moves_a_student_that_is_saturated_on_blank_and_kl_does():
    logits = torch.tensor([[[7.0, 0.0]]])
    teacher = torch.tensor([[[0.01, 0.99]]]).log()
    mask = VALID[:, :1]
    _, l2 = loss_and_grad(SoftmaxLoss("l2"), logits, teacher, mask)
    _, kl = loss_and_grad(SoftmaxLoss("kl"), logits, teacher, mask)
    assert l2.abs().max() < 5e-3
    assert kl.abs().max() > 0.9


@pytest.mark.parametrize("criterion, temperature", CASES)
def test_no_gradient_reaches_the_teacher(criterion, temperature):
    logits, teacher, mask = random_batch()
    teacher.requires_grad_()
    loss = SoftmaxLoss(criterion, temperature)
    loss_and_grad(loss, logits, teacher, mask)
    assert teacher.grad is None


@pytest.mark.parametrize("criterion, temperature", CASES)
def test_loss_and_gradient_are_float32_under_autocast(criterion, temperature):
    logits, teacher, mask = random_batch()
    loss = SoftmaxLoss(criterion, temperature)
    value, grad = loss_and_grad(loss, logits, teacher, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under, under_grad = loss_and_grad(loss, logits, teacher, mask)
    assert under.dtype == torch.float32
    assert torch.equal(under, value)
    assert torch.equal(under_grad, grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("criterion, temperature", CASES)
def test_half_inputs_are_computed_in_float32(criterion, temperature, dtype):
    logits, teacher, mask = random_batch()
    logits, teacher = logits.to(dtype), teacher.to(dtype)
    loss = SoftmaxLoss(criterion, temperature)
    value, grad = loss_and_grad(loss, logits, teacher, mask)
    expected, expected_grad = loss_and_grad(loss, logits.float(), teacher.float(), mask)
    assert value.dtype == torch.float32 and grad.dtype == dtype
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad, expected_grad.to(dtype))


# of (B, T, V) float32: alive at once in forward; in backward, the gradient included
@pytest.mark.parametrize(
    "criterion, temperature, forward, backward",
    [("l2", 1.0, 2, 3), ("kl", 1.0, 2, 2), ("kl", 2.0, 2, 2), ("guided", 1.0, 1, 2)],
)
def test_memory_stays_within_few_temporaries(criterion, temperature, forward, backward):
    torch.manual_seed(0)
    logits = torch.randn(2, 400, 100, requires_grad=True)
    teacher = torch.randn(2, 400, 100).log_softmax(-1)
    unit = logits.numel() * 4
    mask = torch.zeros(2, 400, dtype=torch.bool)
    with PeakMemory() as memory:
        loss = SoftmaxLoss(criterion, temperature)(logits, teacher, mask)
        assert unit <= memory.peak <= 1.1 * forward * unit
        memory.peak = 0
        loss.backward()
    assert unit <= memory.peak <= 1.1 * backward * unit


@pytest.mark.parametrize(
    "criterion, temperature, message",
    [
        ("l3", 1.0, r"criterion must be one of \['guided', 'kl', 'l2'\], got 'l3'"),
        ("kl", 0.0, "temperature must be positive, got 0.0"),
        ("kl", float("nan"), "temperature must be positive, got nan"),
    ],
)
def test_bad_arguments_are_refused(criterion, temperature, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxLoss(criterion, temperature)


@pytest.mark.parametrize("criterion", ["l2", "guided"])
def test_a_temperature_without_kl_is_refused(criterion):
    with pytest.raises(ValueError, match=f"{criterion}.*temperature 1, got 2.0.*kl"):
        SoftmaxLoss(criterion, 2.0)


def test_vocabularies_that_differ_are_refused():
    logits, teacher, mask = random_batch()
    with pytest.raises(ValueError, match=r"got \(2, 5, 6\) and \(2, 5, 7\)"):
        SoftmaxLoss()(logits[..., :6], teacher, mask)
