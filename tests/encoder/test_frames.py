import math

import pytest
import torch

from espnet_tutornet.encoder.frames import (
    TOO_SHORT,
    Frames,
    FramesEncoder,
    clear_padding,
    enter,
)


def frames_of(lens):
    return Frames(lens, lens)


def test_frames_count_the_valid_and_mark_the_padding():
    frames = frames_of(torch.tensor([3, 1]))
    assert (frames.size, frames.count) == (3, 4)
    assert frames.pad_mask.tolist() == [[False, False, False], [False, True, True]]


def test_frames_without_padding_have_no_mask():
    frames = frames_of(torch.tensor([3, 3]))
    assert frames.pad_mask is None


def test_enter_zeroes_even_nan_and_cuts_what_nobody_needs():
    xs_pad = torch.ones(2, 5, 3)
    xs_pad[1, 2:], xs_pad[0, 4:] = math.nan, math.inf
    x, frames = enter(xs_pad, torch.tensor([4, 2]))
    expected = torch.ones(2, 4, 3)
    expected[1, 2:] = 0.0
    assert torch.equal(x, expected)
    assert frames.size == 4


def test_enter_refuses_an_utterance_without_frames():
    from espnet2.bin.asr_inference import TooShortUttError

    message = r"no feature frames \(lengths \[3, 0\]\).*--min_wav_duration"
    with pytest.raises(TooShortUttError, match=message) as error:
        enter(torch.zeros(2, 3, 4), torch.tensor([3, 0]))
    assert (error.value.actual_size, error.value.limit) == (0, 1)


def test_what_is_too_short_has_a_class_for_each_kind_of_espnets_models():
    from espnet2.asr_transducer.utils import TooShortUttError as Transducer
    from espnet2.bin.asr_inference import TooShortUttError

    assert set(TOO_SHORT) == {TooShortUttError, Transducer}
    assert TooShortUttError is not Transducer


def test_clear_padding_is_differentiable_beside_nan():
    x = torch.tensor([[[1.0], [2.0]], [[3.0], [math.nan]]], requires_grad=True)
    clear_padding(x, frames_of(torch.tensor([2, 1]))).sum().backward()
    assert x.grad.flatten().tolist() == [1, 1, 1, 0]


class EveryOther(FramesEncoder):
    """Keeps every other frame, and says 1 in the padding."""

    _output_size = 3

    def encode(self, x, frames):
        frames = frames.strided(2)
        x = x[:, ::2].clone()
        x[frames.pad_mask] = 1.0
        return x, frames


def test_an_encoder_is_called_as_espnet_does_and_ends_in_zeros():
    xs_pad = torch.full((2, 7, 3), 2.0)
    xs_pad[1, 2:] = math.nan
    x, lens, states = EveryOther()(xs_pad, torch.tensor([5, 2]), prev_states=None)
    assert (lens.tolist(), states, EveryOther().output_size()) == ([3, 1], None, 3)
    assert torch.equal(x[..., 0], torch.tensor([[2.0, 2.0, 2.0], [2.0, 0.0, 0.0]]))
