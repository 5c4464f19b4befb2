import pytest
import torch
from torch import nn

from espnet_tutornet.layers.independence import (
    MASKED,
    UNPADDED,
    encode_in_batch,
    encode_without_padding,
    find_padding_rule,
)


class Listens(nn.Module):
    """A network in ESPnet's shape: frames of 100 samples, through ``mix``."""

    def __init__(self, mix):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.mix = mix
        self.encoder.project = nn.Linear(100, 4)

    def encode(self, speech, lengths):
        frames = speech.unfold(1, 100, 100)  # (B, S) -> (B, T, 100)
        lens = lengths // 100
        return self.encoder.mix(self.encoder.project(frames)), lens


class Mean(nn.Module):
    """Adds the mean over time, padding included."""

    def forward(self, x):
        return x + x.mean(dim=1, keepdim=True)


class AlwaysTrains(nn.BatchNorm1d):
    def train(self, mode=True):
        return super().train(True)

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class AlwaysDrops(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


def build(mix):
    torch.manual_seed(0)
    return Listens(mix).eval()


def test_a_network_that_looks_at_single_frames_takes_any_batch():
    assert find_padding_rule(build(nn.Identity()), ["last"], 100.0) == MASKED


def test_one_that_hears_padding_is_asked_by_length():
    assert find_padding_rule(build(Mean()), ["last"], 100.0) == UNPADDED


@pytest.mark.parametrize("mix", [AlwaysTrains(4), AlwaysDrops()])
def test_one_that_depends_on_its_batch_or_on_chance_is_refused(mix):
    with pytest.raises(
        ValueError,
        match="what Module says .* the others of its batch.*mode: enc.*mix",
    ):
        find_padding_rule(build(mix), ["last"], 100.0)


def test_an_inner_layer_counts_too():
    class Hides(Mean):
        def forward(self, x):
            return 0.0 * super().forward(x)

    model = build(nn.Sequential(Mean(), nn.Tanh(), Hides()))
    assert find_padding_rule(model, ["last"], 100.0) == MASKED
    assert find_padding_rule(model, ["mix.0"], 100.0) == UNPADDED


def test_the_check_draws_no_random_numbers():
    state = torch.get_rng_state()
    find_padding_rule(build(nn.Identity()), ["last"], 100.0)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_padding_every_utterance_is_as_alone_and_in_its_place():
    model = build(Mean())
    speech = torch.randn(4, 900, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([500, 900, 500, 250])
    lens, hidden = encode_without_padding(model, ["mix", "last"], speech, lengths)
    assert lens.tolist() == [5, 9, 5, 2]
    assert hidden["last"].shape == (4, 9, 4)
    for row, samples in enumerate(lengths.tolist()):
        _, alone = encode_in_batch(
            model, ["mix"], speech[row : row + 1, :samples], lengths[row : row + 1]
        )
        frames = int(lens[row])
        for name in ("mix", "last"):
            torch.testing.assert_close(hidden[name][row, :frames], alone[name][0])
            assert not hidden[name][row, frames:].any()
