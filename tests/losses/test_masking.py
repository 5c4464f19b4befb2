import pytest
import torch

from espnet_tutornet.losses.masking import (
    check_blank_id,
    frame_dot,
    make_pad_mask,
    utterance_mean,
    zero_loss,
)

NAN, INF = float("nan"), float("inf")


def test_make_pad_mask_marks_padding():
    mask = make_pad_mask(torch.tensor([0, 2, 3]), 3)
    assert mask.tolist() == [[True] * 3, [False, False, True], [False] * 3]


def test_make_pad_mask_takes_lens_beyond_max_len():
    assert not make_pad_mask(torch.tensor([7]), 3).any()


@pytest.mark.parametrize("blank_id", [-1, 3])
def test_check_blank_id_refuses_what_is_no_token(blank_id):
    check_blank_id(0, torch.zeros(1, 1, 3))
    check_blank_id(2, torch.zeros(1, 1, 3))
    with pytest.raises(ValueError, match=rf"in \[0, 3\), got {blank_id}"):
        check_blank_id(blank_id, torch.zeros(1, 1, 3))


def test_utterance_mean_sums_frames_and_averages_utterances():
    frames = torch.tensor([[1.0, 2.0, NAN], [4.0, INF, -INF]])
    mask = make_pad_mask(torch.tensor([2, 1]), 3)
    assert utterance_mean(frames, mask).item() == (1 + 2 + 4) / 2


def test_utterance_mean_all_padding_is_zero_and_differentiable():
    frames = torch.full((2, 3), NAN, requires_grad=True)
    loss = utterance_mean(frames, torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(frames.grad, torch.zeros(2, 3))


def test_frame_dot_sums_products_over_the_last_axis():
    a = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    b = torch.tensor([[[5.0, 6.0], [7.0, -8.0]]])
    assert frame_dot(a, b).tolist() == [[17.0, -11.0]]


def test_frame_dot_stays_in_float32_under_autocast():
    torch.manual_seed(0)
    a, b = torch.randn(2, 3, 50), torch.randn(2, 3, 50)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = frame_dot(a, b)
    assert under.dtype == torch.float32
    assert torch.equal(under, frame_dot(a, b))


@pytest.mark.parametrize("value", [1.0, 6e4, NAN, INF])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_zero_loss_is_zero_with_a_gradient_of_zero_whatever_it_is_given(value, dtype):
    """The sum of many values times zero was NaN: in half precision it is infinite."""
    shapes = [(2, 3), (), (0,)]
    given = [torch.full(x, value, dtype=dtype, requires_grad=True) for x in shapes]
    loss = zero_loss(*given)
    loss.backward()
    assert loss.item() == 0.0 and loss.dim() == 0
    assert all(torch.equal(x.grad, torch.zeros_like(x)) for x in given)
