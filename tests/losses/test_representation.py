import math

import pytest
import torch

from espnet_tutornet.layers.adapter import ADAPTERS
from espnet_tutornet.losses.masking import make_pad_mask
from espnet_tutornet.losses.representation import RepresentationLoss

LENS = torch.tensor([5, 3])


def random_batch(seed=0, frames=5):
    torch.manual_seed(seed)
    student = torch.randn(2, frames, 4)
    teacher = torch.randn(2, frames, 6)
    log_probs = torch.randn(2, frames, 7).mul(2).log_softmax(-1)
    return student, teacher, log_probs, make_pad_mask(LENS, frames)


def build(adapter="linear", frame_weights="nonblank", sizes=(4, 6)):
    torch.manual_seed(7)
    return RepresentationLoss(*sizes, adapter=adapter, frame_weights=frame_weights)


def loss_and_grads(loss, student, teacher, log_probs, mask):
    """Return the loss, the gradients of the adapter, and that of the student."""
    student = student.clone().requires_grad_()
    loss.zero_grad()
    value = loss(student, teacher, log_probs, mask)
    value.backward()
    return value.detach(), [p.grad.clone() for p in loss.parameters()], student.grad


def test_loss_by_hand_on_two_frames():
    loss = RepresentationLoss(2, 2, adapter="none", frame_weights="nonblank")
    student = torch.tensor([[[1.0, 0.0], [2.0, 2.0]]])
    teacher = torch.tensor([[[0.0, 0.0], [2.0, -1.0]]])
    log_probs = torch.tensor([[[0.9, 0.1], [0.7, 0.3]]]).log()
    # squared errors 1 and 9 over D = 2; weights 0.1 and 0.3 scaled to 0.5 and 1.5
    expected = (0.5 * 1 / 2 + 1.5 * 9 / 2) / 2
    got = loss(student, teacher, log_probs, torch.zeros(1, 2, dtype=torch.bool))
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_loss_and_gradient_equal_the_plain_formula():
    student, teacher, log_probs, mask = random_batch()
    loss = build()
    value, grads, student_grad = loss_and_grads(loss, student, teacher, log_probs, mask)
    weight = loss.adapter.weight.detach().clone().requires_grad_()
    plain_student = student.clone().requires_grad_()
    expected = 0.0
    for b, frames in enumerate(LENS.tolist()):
        h = plain_student[b, :frames] @ weight.T + loss.adapter.bias.detach()
        w = 1 - log_probs[b, :frames, 0].exp()
        w = w * frames / w.sum()
        error = ((h - teacher[b, :frames]) ** 2).sum(dim=-1) / 6
        expected = expected + (w * error).sum() / frames / 2
    expected.backward()
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(grads[0], weight.grad)
    torch.testing.assert_close(student_grad, plain_student.grad)


def test_layer_norm_by_hand_on_two_frames():
    loss = RepresentationLoss(
        2, 2, adapter="none", frame_weights="none", layer_norm=True
    )
    # two values come out as -1 and 1, whatever their length and offset
    student = torch.tensor([[[1.0, 3.0], [50.0, 40.0]]], requires_grad=True)
    teacher = torch.tensor([[[9.0, 2.0], [6.0, -3.0]]])
    value = loss(student, teacher, None, torch.zeros(1, 2, dtype=torch.bool))
    # the first frame is turned round: ((-1 - 1)^2 + (1 + 1)^2) / 2 = 4; of two frames
    assert value.item() == pytest.approx(4.0 / 2, abs=1e-4)
    value.backward()
    assert student.grad.isfinite().all()


def test_layer_norm_adds_no_parameters_and_forgets_scale_and_offset():
    student, teacher, log_probs, mask = random_batch()
    plain = build()
    loss = RepresentationLoss(4, 6, layer_norm=True)
    assert loss.state_dict().keys() == plain.state_dict().keys()
    value = loss(student, teacher, log_probs, mask)
    moved = loss(student, 7.0 * teacher - 3.0, log_probs, mask)
    torch.testing.assert_close(moved, value, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(loss(student, -teacher, log_probs, mask), value)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf")])
def test_layer_norm_does_not_see_padding(garbage):
    student, teacher, log_probs, mask = random_batch()
    loss = RepresentationLoss(4, 6, adapter="conv3", layer_norm=True)
    padding = mask.unsqueeze(-1)
    clean = [x.masked_fill(padding, 0.0) for x in (student, teacher, log_probs)]
    dirty = [x.masked_fill(padding, garbage) for x in (student, teacher, log_probs)]
    expected = loss_and_grads(loss, *clean, mask)
    got = loss_and_grads(loss, *dirty, mask)
    torch.testing.assert_close(got, expected)


def test_loss_is_zero_at_equality():
    _, teacher, log_probs, mask = random_batch()
    loss = build("none", sizes=(6, 6))
    assert loss(teacher, teacher, log_probs, mask).item() == 0.0


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("adapter", ["linear", "conv1", "conv3"])
def test_loss_and_gradients_do_not_see_padding(adapter, garbage):
    student, teacher, log_probs, mask = random_batch()
    loss = build(adapter)
    padding = mask.unsqueeze(-1)
    clean = [x.masked_fill(padding, 0.0) for x in (student, teacher, log_probs)]
    value, grads, student_grad = loss_and_grads(loss, *clean, mask)
    longer = []
    for x in (student, teacher, log_probs):
        x = x.masked_fill(padding, garbage)
        longer.append(torch.cat([x, torch.full_like(x[:, :2], garbage)], dim=1))
    got, got_grads, got_student = loss_and_grads(
        loss, *longer, make_pad_mask(LENS, mask.size(1) + 2)
    )
    torch.testing.assert_close(got, value)
    for mine, theirs in zip(got_grads, grads):
        torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(got_student[:, :5], student_grad)
    assert not got_student[:, 5:].any()
    assert not got_student[:, :5][mask].any()


@pytest.mark.parametrize("adapter", sorted(set(ADAPTERS) - {"none"}))
def test_all_padding_is_zero_and_differentiable(adapter):
    student, teacher, log_probs, mask = random_batch()
    value, grads, student_grad = loss_and_grads(
        build(adapter), student, teacher, log_probs, torch.ones_like(mask)
    )
    assert value.item() == 0.0
    assert not any(grad.any() for grad in grads)
    assert not student_grad.any()


WITHOUT_WEIGHT = {  # hidden states, blank, others: of every frame
    "nonblank": (1.0, 0.0, -200.0),
    "peak": (1.0, 0.0, -200.0),
    "mask": (1.0, -0.1, -3.0),
    "energy": (0.0, -1.0, -1.0),
    "entropy": (1.0, -math.log(7), -math.log(7)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("frame_weights", sorted(WITHOUT_WEIGHT))
def test_loss_and_gradients_without_the_utterance_that_has_no_weight(
    frame_weights, layer_norm, dtype
):
    """RKD's loss was NaN where a teacher says nothing in four frames or more."""
    student, teacher, log_probs, _ = random_batch(frames=9)
    hidden, blank, other = WITHOUT_WEIGHT[frame_weights]
    teacher[1] *= hidden
    log_probs[1], log_probs[1, :, 0] = other, blank
    mask = make_pad_mask(torch.tensor([9, 8]), 9)
    batch = [x.to(dtype) for x in (teacher, log_probs)]
    loss = RepresentationLoss(4, 6, "linear", frame_weights, layer_norm=layer_norm)
    value, grads, student_grad = loss_and_grads(loss, student, *batch, mask)
    alone = [x[:1] for x in (student, *batch, mask)]
    expected, expected_grads, expected_student = loss_and_grads(loss, *alone)
    torch.testing.assert_close(value, expected / 2)
    torch.testing.assert_close(grads, [grad / 2 for grad in expected_grads])
    torch.testing.assert_close(student_grad[:1], expected_student / 2)
    assert not student_grad[1].any() and value > 0.0


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e30])
def test_a_frame_without_weight_is_not_read(garbage, layer_norm):
    student, teacher, _, mask = random_batch()
    log_probs = torch.tensor([0.9, 0.1]).log().repeat(2, 5, 1)
    log_probs[:, 1] = torch.tensor([0.1, 0.9]).log()
    conf = {"dilation": 0}
    loss = RepresentationLoss(4, 6, "linear", "mask", conf, layer_norm)
    expected = loss_and_grads(loss, student, teacher, log_probs, mask)
    teacher[:, 2:] = garbage
    got = loss_and_grads(loss, student, teacher, log_probs, mask)
    torch.testing.assert_close(got, expected)


def test_no_gradient_reaches_the_teacher():
    student, teacher, log_probs, mask = random_batch()
    teacher.requires_grad_(), log_probs.requires_grad_()
    build()(student.requires_grad_(), teacher, log_probs, mask).backward()
    assert teacher.grad is None and log_probs.grad is None
    assert student.grad.abs().sum() > 0


def test_loss_is_float32_under_autocast():
    _, teacher, log_probs, mask = random_batch()
    student = teacher + 1.0
    loss = build("none", sizes=(6, 6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = loss(student, teacher, log_probs, mask)
    assert under.dtype == torch.float32
    assert torch.equal(under, loss(student, teacher, log_probs, mask))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loss_of_half_inputs_is_computed_in_float32(dtype):
    _, teacher, log_probs, mask = random_batch()
    halves = [(teacher + 1).to(dtype), teacher.to(dtype), log_probs.to(dtype)]
    loss = build("none", sizes=(6, 6))
    got = loss(*halves, mask)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, loss(*[x.float() for x in halves], mask))


def test_widths_that_differ_are_refused_without_an_adapter():
    with pytest.raises(ValueError, match="student 4 and teacher 6.*linear"):
        build("none")


def test_unknown_key_of_the_weights_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"\['flor'\].*\['dilation', 'floor'\]"):
        RepresentationLoss(4, 6, frame_weights_conf={"flor": 0.1})


def test_frame_weights_conf_reaches_the_weights():
    loss = RepresentationLoss(4, 6, frame_weights_conf={"floor": 0.25})
    assert loss.frame_weights.floor == 0.25
