import math

import pytest
import torch

from espnet_tutornet.losses.frame_weights import FRAME_WEIGHTS, FrameWeights
from espnet_tutornet.losses.masking import make_pad_mask

# two frames, blank first: p = (0.9, 0.08, 0.02) and (0.3, 0.2, 0.5)
PROBS = torch.tensor([[[0.9, 0.08, 0.02], [0.3, 0.2, 0.5]]])
HIDDEN = torch.tensor([[[1.0, 2.0], [0.0, 3.0]]])  # energies 5 and 9
VALID = torch.zeros(1, 2, dtype=torch.bool)


def entropy_share(probs):
    return 1 + sum(p * math.log(p) for p in probs) / math.log(3)


BY_HAND = {  # before the normalisation to a sum of two
    "none": (1.0, 1.0),
    "nonblank": (0.1, 0.7),
    "peak": (0.08, 0.5),
    "energy": (5.0, 9.0),
    "mask": (1.0, 1.0),  # the spike of frame 1 reaches frame 0 with dilation 1
    "entropy": (entropy_share((0.9, 0.08, 0.02)), entropy_share((0.3, 0.2, 0.5))),
}


def random_batch(seed=0):
    torch.manual_seed(seed)
    log_probs = torch.randn(3, 6, 5).mul(3).log_softmax(-1)
    return torch.randn(3, 6, 4), log_probs, make_pad_mask(torch.tensor([6, 4, 1]), 6)


def test_every_weight_is_worked_out_by_hand():
    assert set(BY_HAND) == set(FRAME_WEIGHTS)


@pytest.mark.parametrize("name", BY_HAND)
def test_weights_equal_the_hand_computed_ones(name):
    first, second = BY_HAND[name]
    expected = torch.tensor([[first, second]]) * 2 / (first + second)
    got = FrameWeights(name)(HIDDEN, PROBS.log(), VALID, 0)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    "name, first, second",
    [("nonblank", 0.98, 0.5), ("peak", 0.9, 0.3), ("mask", 1.0, 0.0)],
)
def test_weights_find_a_blank_that_is_last(name, first, second):
    conf = {"dilation": 0} if name == "mask" else {}
    got = FrameWeights(name, **conf)(HIDDEN, PROBS.log(), VALID, 2)
    expected = torch.tensor([[first, second]]) * 2 / (first + second)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("dilation, kept", [(0, [3]), (1, [2, 3, 4]), (2, range(1, 6))])
def test_mask_dilates_by_the_number_of_frames(dilation, kept):
    log_probs = torch.tensor([0.9, 0.1]).log().repeat(1, 7, 1)
    log_probs[0, 3] = torch.tensor([0.1, 0.9]).log()
    mask = torch.zeros(1, 7, dtype=torch.bool)
    got = FrameWeights("mask", dilation=dilation)(
        torch.zeros(1, 7, 1), log_probs, mask, 0
    )
    assert got[0].nonzero().flatten().tolist() == list(kept)
    assert got.sum().item() == pytest.approx(7.0)


def test_mask_does_not_spread_from_padding():
    log_probs = torch.tensor([[[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]]).log()
    mask = make_pad_mask(torch.tensor([2]), 3)
    got = FrameWeights("mask", dilation=1)(torch.zeros(1, 3, 1), log_probs, mask, 0)
    assert got.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("floor", [0.0, 0.3])
@pytest.mark.parametrize("name", BY_HAND)
def test_weights_sum_to_the_valid_frames_and_are_zero_on_padding(name, floor):
    hidden, log_probs, mask = random_batch()
    got = FrameWeights(name, floor=floor)(hidden, log_probs, mask, 0)
    assert got.dtype == torch.float32
    assert (got >= 0).all()
    assert not got[mask].any()
    for row, frames in zip(got.sum(dim=1).tolist(), (6, 4, 1)):
        assert row == pytest.approx(frames) or row == 0.0
    assert got[0].sum().item() == pytest.approx(6.0)


@pytest.mark.parametrize("name", BY_HAND)
def test_weights_do_not_read_padding(name):
    hidden, log_probs, mask = random_batch()
    clean = FrameWeights(name)(hidden, log_probs, mask, 0)
    for garbage in (float("nan"), float("inf")):
        padding = mask.unsqueeze(-1)
        hidden = hidden.masked_fill(padding, garbage)
        log_probs = log_probs.masked_fill(padding, garbage)
        assert torch.equal(FrameWeights(name)(hidden, log_probs, mask, 0), clean)


def test_all_zero_weights_stay_zero_and_a_floor_makes_them_uniform():
    hidden = torch.zeros(1, 4, 2)
    mask = make_pad_mask(torch.tensor([3]), 4)
    assert not FrameWeights("energy")(hidden, None, mask, 0).any()
    lifted = FrameWeights("energy", floor=0.1)(hidden, None, mask, 0)
    assert lifted.tolist() == [[1.0, 1.0, 1.0, 0.0]]


NOTHING = {"nonblank": (0.0, -200.0), "peak": (0.0, -200.0), "mask": (-0.1, -3.0)}
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def batch_with_silence(name, dtype, garbage=float("nan")):
    """Return a batch whose second utterance has no weight in any of its 9 frames."""
    torch.manual_seed(0)
    hidden, log_probs = torch.randn(3, 10, 4), torch.randn(3, 10, 5).log_softmax(-1)
    if name == "energy":
        hidden[1] = 0.0
    elif name == "entropy":
        log_probs[1] = -math.log(5)
    else:
        blank, other = NOTHING[name]
        log_probs[1], log_probs[1, :, 0] = other, blank
    mask = make_pad_mask(torch.tensor([10, 9, 4]), 10)
    padding = mask.unsqueeze(-1)
    said = [x.to(dtype).masked_fill(padding, garbage) for x in (hidden, log_probs)]
    return (*said, mask)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(BY_HAND) - {"none"}))
def test_an_utterance_without_any_weight_counts_nothing(name, dtype, garbage):
    hidden, log_probs, mask = batch_with_silence(name, dtype, garbage)
    got = FrameWeights(name)(hidden, log_probs, mask, 0)
    assert got.dtype == torch.float32
    assert not got[1].any() and got.isfinite().all()
    rest = [x[::2] for x in (hidden, log_probs, mask)]
    assert torch.equal(got[::2], FrameWeights(name)(*rest, 0))
    torch.testing.assert_close(got[::2].sum(dim=1), torch.tensor([10.0, 4.0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(BY_HAND) - {"none"}))
def test_a_floor_makes_an_utterance_without_any_weight_uniform(name, dtype):
    hidden, log_probs, mask = batch_with_silence(name, dtype)
    got = FrameWeights(name, floor=0.25)(hidden, log_probs, mask, 0)
    assert got[1].tolist() == [1.0] * 9 + [0.0]
    rest = [x[::2] for x in (hidden, log_probs, mask)]
    assert torch.equal(got[::2], FrameWeights(name, floor=0.25)(*rest, 0))


@pytest.mark.parametrize("least", [1e-19, 3e-20, 1e-20])  # squared: about the least
@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_energies_too_faint_to_divide_by_weigh_as_if_they_were_louder(least, floor):
    torch.manual_seed(0)
    hidden, mask = torch.rand(2, 9, 4) + 0.5, make_pad_mask(torch.tensor([9, 5]), 9)
    weights = FrameWeights("energy", floor=floor)
    expected = weights(hidden, None, mask, 0)
    hidden[1] *= least
    got = weights(hidden, None, mask, 0)
    assert torch.equal(got[0], expected[0])
    torch.testing.assert_close(got[1], expected[1], rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("name", ["nonblank", "peak"])
@pytest.mark.parametrize("least, counts", [(1.6e-5, True), (1.4e-5, False)])
def test_probabilities_that_a_cache_rounds_to_nothing_are_nothing(name, least, counts):
    log_probs = torch.tensor([1 - least, least]).log().repeat(1, 9, 1)
    mask = torch.zeros(1, 9, dtype=torch.bool)
    got = FrameWeights(name)(torch.zeros(1, 9, 1), log_probs, mask, 0)
    torch.testing.assert_close(got, torch.full((1, 9), float(counts)))


def test_entropy_of_a_certain_teacher_is_finite():
    log_probs = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]).log()  # 0 log 0
    got = FrameWeights("entropy")(HIDDEN, log_probs, VALID, 0)
    torch.testing.assert_close(got, torch.tensor([[2.0, 0.0]]))


def test_floor_lifts_small_weights_and_restores_the_sum():
    # nonblank gives (0.25, 1.75); lifted to (0.5, 1.75), times 2 / 2.25
    got = FrameWeights("nonblank", floor=0.5)(HIDDEN, PROBS.log(), VALID, 0)
    torch.testing.assert_close(got, torch.tensor([[0.5, 1.75]]) * 2 / 2.25)


@pytest.mark.parametrize("name", BY_HAND)
def test_weights_of_a_batch_of_padding_are_zero(name):
    hidden, log_probs, mask = random_batch()
    assert not FrameWeights(name)(hidden, log_probs, torch.ones_like(mask), 0).any()


def test_entropy_is_zero_for_a_uniform_and_one_for_a_certain_frame():
    log_probs = torch.tensor([[[0.5, 0.5], [1.0, 1e-30]]]).log()
    got = FrameWeights("entropy")(torch.zeros(1, 2, 1), log_probs, VALID, 0)
    torch.testing.assert_close(got, torch.tensor([[0.0, 2.0]]))


@pytest.mark.parametrize("name", BY_HAND)
def test_weights_are_float32_under_autocast(name):
    hidden, log_probs, mask = random_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = FrameWeights(name)(hidden, log_probs, mask, 0)
    assert under.dtype == torch.float32
    torch.testing.assert_close(under, FrameWeights(name)(hidden, log_probs, mask, 0))


def test_weights_carry_no_gradient_to_the_teacher():
    hidden, log_probs, mask = random_batch()
    got = FrameWeights("energy")(hidden.requires_grad_(), log_probs, mask, 0)
    assert not got.requires_grad


@pytest.mark.parametrize("name", sorted(set(BY_HAND) - {"none", "energy"}))
def test_missing_posteriors_are_refused_with_the_names_that_do_without(name):
    weights = FrameWeights(name)
    assert weights.needs_posteriors
    with pytest.raises(ValueError, match=f"'{name}' need.*got none.*'none', 'energy'"):
        weights(HIDDEN, None, VALID, 0)


@pytest.mark.parametrize("name", ["none", "energy"])
def test_weights_without_posteriors_do_not_need_them(name):
    assert not FrameWeights(name).needs_posteriors
    assert FrameWeights(name)(HIDDEN, None, VALID, 0).shape == (1, 2)


@pytest.mark.parametrize("blank_id", [-1, 3])
def test_blank_outside_the_vocabulary_is_refused(blank_id):
    with pytest.raises(ValueError, match=rf"in \[0, 3\), got {blank_id}.*token_list"):
        FrameWeights("nonblank")(HIDDEN, PROBS.log(), VALID, blank_id)


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(name="loud"), "must be one of .*'energy'.*got 'loud'"),
        (dict(floor=1.1), r"floor must be in \[0, 1\], got 1.1"),
        (dict(floor=-0.1), r"floor must be in \[0, 1\], got -0.1"),
        (dict(name="peak", dilation=1), "dilation is for 'mask' alone.*'peak'"),
        (dict(name="mask", dilation=-1), "dilation must be >= 0, got -1"),
    ],
)
def test_bad_arguments_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        FrameWeights(**conf)
