import math
import re
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from espnet_tutornet.encoder.deepspeech2 import RNN_TYPES, DeepSpeech2Encoder
from espnet_tutornet.encoder.frames import Frames, TooShortUttError
from espnet_tutornet.layers.probe import probe_model

CONF = Path(__file__).parents[2] / "egs2/librispeech_tutornet/asr1/conf/tuning"
LABELS = 29  # a-z, space, apostrophe, blank
SMALL = dict(conv_channels=3, num_layers=3, hidden_size=5, output_size=7)
LENS = torch.tensor([12, 33, 1, 20])  # not sorted
FORMS = [(rnn, both) for rnn in ("gru", "lstm") for both in (True, False)]


def make(features=21, **given):
    """Return a small encoder whose batch norms have seen data."""
    torch.manual_seed(0)
    encoder = DeepSpeech2Encoder(features, **{**SMALL, "dropout": 0.0, **given})
    for name, value in encoder.named_buffers():
        if "running_mean" in name:
            value.normal_(std=0.1)
        elif "running_var" in name:
            value.uniform_(0.05, 0.25)
    return encoder


def inputs(features=21, garbage=math.nan):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 33, features, generator=generator)
    for n, length in enumerate(LENS.tolist()):
        x[n, length:] = garbage
    return x


class Plain(nn.Module):
    """DeepSpeech2 out of PyTorch's layers, for utterances without padding."""

    def __init__(self, features, rnn, both):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 3, (11, 41), (2, 2), (5, 20), bias=False),
            nn.BatchNorm2d(3, eps=1e-3),
            nn.ReLU(),
            nn.Conv2d(3, 3, (11, 21), (1, 2), (5, 10), bias=False),
            nn.BatchNorm2d(3, eps=1e-3),
            nn.ReLU(),
        )
        width = 3 * math.ceil(math.ceil(features / 2) / 2)
        self.rnn = RNN_TYPES[rnn](width, 5, 3, batch_first=True, bidirectional=both)
        self.output = nn.Linear(5 * (1 + both), 7)

    def forward(self, x):
        x = self.conv(x.unsqueeze(1)).permute(0, 2, 1, 3).flatten(2)
        return self.output(self.rnn(x)[0]).relu()

    def load(self, ours):
        """Take over the parameters of an encoder of ours."""
        names = {"embed.convs": (0, 3), "embed.norms": (1, 4)}
        state = {}
        for name, value in ours.state_dict().items():
            part, number, rest = re.match(r"(.*?)\.(\d)\.(.*)", name).groups()
            if part == "encoders":
                rest = rest.removeprefix("rnn.").replace("_l0", f"_l{number}")
                state[f"rnn.{rest}"] = value
            elif part == "output":
                state[f"output.{rest}"] = value
            else:
                state[f"conv.{names[part][int(number)]}.{rest}"] = value
        self.load_state_dict(state, strict=True)


@pytest.mark.parametrize(
    "features, exact, published", [(64, 55_284_733, "55.3"), (160, 58_971_133, "59.0")]
)
def test_parameters_are_as_many_as_published(features, exact, published):
    conf = yaml.safe_load((CONF / "train_student_deepspeech2.yaml").read_text())
    with torch.device("meta"):
        encoder = DeepSpeech2Encoder(features, **conf["encoder_conf"])
        default = DeepSpeech2Encoder(features)
    output = encoder.output_size() * LABELS + LABELS
    total = sum(p.numel() for p in encoder.parameters()) + output
    assert total == exact and f"{total / 1e6:.1f}" == published
    assert total - output == sum(p.numel() for p in default.parameters())


@pytest.mark.parametrize("features", [18, 21, 23])
@pytest.mark.parametrize("rnn, both", FORMS)
def test_a_padded_batch_equals_its_utterances_in_plain_torch(rnn, both, features):
    encoder = make(features, rnn_type=rnn, bidirectional=both).eval()
    plain = Plain(features, rnn, both).eval()
    plain.load(encoder)
    x = inputs(features)
    out, lens, _ = encoder(x, LENS)
    assert lens.tolist() == [6, 17, 1, 10]
    assert out.shape == (4, 17, 7) and encoder.output_size() == 7
    for n, length in enumerate(LENS.tolist()):
        alone = plain(x[n : n + 1, :length])[0]
        assert torch.allclose(out[n, : lens[n]], alone, rtol=0, atol=1e-5)
        assert not out[n, lens[n] :].any()
    assert out.count_nonzero() > 50  # something passed the ReLU


@pytest.mark.parametrize("rnn, both", FORMS)
def test_a_training_step_without_padding_is_that_of_plain_torch(rnn, both):
    encoder = make(rnn_type=rnn, bidirectional=both).train()
    plain = Plain(21, rnn, both).train()
    plain.load(encoder)
    x = inputs(garbage=1.0)
    plain(x).square().sum().backward()
    encoder(x, torch.full((4,), 33))[0].square().sum().backward()
    found = sum(p.grad.square().sum() for p in encoder.parameters())
    wanted = sum(p.grad.square().sum() for p in plain.parameters())
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)
    first, its = encoder.embed.convs[0].weight.grad, plain.conv[0].weight.grad
    assert torch.allclose(first, its, rtol=1e-3, atol=1e-4)
    assert torch.allclose(encoder.embed.norms[1].running_var, plain.conv[4].running_var)


def test_training_does_not_see_the_padding():
    results = []
    for garbage, extra in ((0.0, 0), (1e4, 0), (math.nan, 7)):
        encoder = make().train()
        x = inputs(garbage=garbage)
        x = nn.functional.pad(x, (0, 0, 0, extra), value=garbage)
        out, _, _ = encoder(x, LENS)
        out.square().sum().backward()
        grads = [p.grad for p in encoder.parameters()]
        results.append([out, *grads, *encoder.buffers()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


@pytest.mark.parametrize("rnn, both", FORMS)
def test_gradient_reaches_every_parameter(rnn, both):
    encoder = make(rnn_type=rnn, bidirectional=both, dropout=0.2).train()
    out, _, _ = encoder(inputs(), LENS)
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_dropout_is_between_recurrent_layers_and_after_the_last():
    encoder = make(dropout=0.5).train()
    shares = [layer.dropout.p for layer in encoder.encoders]
    assert shares == [0.0, 0.5, 0.5] and encoder.output[-1].p == 0.5
    torch.manual_seed(0)
    frames = Frames(torch.tensor([6]), torch.tensor([6]))
    x = torch.ones(1, 6, encoder.embed.output_size)
    for layer, share in zip(encoder.encoders, shares):
        first, second = (layer(x, frames) for _ in range(2))
        assert torch.equal(first, second) == (share == 0.0)
        x = first
    encoder.eval()
    first, second = (encoder(inputs(), LENS)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(rnn_type="rnn"), r"rnn_type must be one of \['gru', 'lstm'\], got 'rnn'"),
        (dict(num_layers=0), "num_layers must be 1 or more, got 0"),
    ],
)
def test_a_bad_value_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_an_utterance_without_frames_is_too_short():
    with pytest.raises(TooShortUttError, match="no feature frames"):
        make()(torch.zeros(2, 3, 21), torch.tensor([3, 0]))


@pytest.fixture(scope="module")
def model(make_args):
    from espnet2.tasks.asr import ASRTask

    from espnet_tutornet.encoder.register import register_encoders

    register_encoders()
    args = make_args()
    args.encoder, args.encoder_conf = "deepspeech2", dict(SMALL)
    return ASRTask.build_model(args)


def test_espnet_builds_it_and_its_parts_are_layers(model, hop):
    probe = probe_model(model, ["embed", "encoders.0", "encoders.2"])
    assert probe.frame_shift == 2 * hop
    sizes = {"embed": 3 * 5, "encoders.0": 10, "encoders.2": 10, "last": 7}
    assert probe.sizes == sizes


def test_a_convolution_alone_is_no_layer(model):
    with pytest.raises(ValueError, match="'embed.convs.0' puts out .*another layer"):
        probe_model(model, ["embed.convs.0"])
