import pytest
import torch
from torch import nn

from espnet_tutornet.encoder.frames import TOO_SHORT
from espnet_tutornet.student.best_path import TooShort, find_best_path


class Told(nn.Module):
    """Says the tokens that the samples name, two samples a frame."""

    blank_id = 3

    def __init__(self, ctc=True):
        super().__init__()
        self.ctc = self if ctc else None

    def encode(self, speech, speech_lengths):
        return speech[:, ::2].unsqueeze(-1), speech_lengths // 2

    def argmax(self, encoder_out):
        return encoder_out.squeeze(-1).long()


@pytest.mark.parametrize(
    "frames, path",
    [
        ([1, 1, 3, 1, 2, 2, 3, 3], [1, 1, 2]),  # a blank parts what would be merged
        ([3, 0, 0, 3], [0]),  # the first token is none but where it is blank
        ([3, 3], []),
    ],
)
def test_repeats_are_merged_before_blanks_are_dropped(frames, path):
    wave = torch.tensor(frames, dtype=torch.float32).repeat_interleave(2)
    assert find_best_path(Told(), wave) == path
    assert find_best_path(Told(ctc=False), wave) is None


@pytest.mark.parametrize("raised", TOO_SHORT)
def test_what_espnet_finds_too_short_is(raised):
    class Short(Told):
        def encode(self, speech, speech_lengths):
            raise raised("one frame of two", 1, 2)

    with pytest.raises(TooShort, match="3 samples are too few: one frame of two"):
        find_best_path(Short(), torch.zeros(3))


def test_the_outputs_of_inner_blocks_are_passed_over():
    class Inner(Told):
        def encode(self, speech, speech_lengths):
            out, lens = super().encode(speech, speech_lengths)
            return (out, [(1, 0 * out)]), lens

    assert find_best_path(Inner(), torch.tensor([1.0, 1.0, 2.0, 2.0])) == [1, 2]
