import math
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import functional

from espnet_tutornet.encoder.frames import Frames, TooShortUttError
from espnet_tutornet.encoder.jasper import BlockConf, JasperBlock, JasperEncoder
from espnet_tutornet.layers.probe import probe_model

CONF = Path(__file__).parents[2] / "egs2/librispeech_tutornet/asr1/conf/tuning"
LABELS = 29  # a-z, space, apostrophe, blank
BLOCKS = [
    dict(filters=6, kernel=5, stride=2),
    dict(filters=6, kernel=3, repeat=2, residual=True),
    dict(filters=8, kernel=5, repeat=3, residual=True),
    dict(filters=8, kernel=3, residual=True),
    dict(filters=7, kernel=7, dilation=2),
    dict(filters=10, kernel=1, separable=False),
]
FORMS = [(r, s) for r in ("dense", "plain", "none") for s in (False, True)]
LENS = torch.tensor([12, 31, 1, 20])


def make(residual="dense", separable=False, blocks=BLOCKS):
    """Return an encoder of 9 features whose batch norms have seen data."""
    torch.manual_seed(0)
    encoder = JasperEncoder(9, blocks, residual, separable)
    for name, value in encoder.named_buffers():
        if "running_mean" in name:
            value.normal_(std=0.1)
        elif "running_var" in name:
            value.uniform_(0.05, 0.25)
    return encoder


def features(garbage=math.nan):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 31, 9, generator=generator)
    for n, length in enumerate(LENS.tolist()):
        x[n, length:] = garbage
    return x


def reference(encoder, x, residual):
    """Encode one utterance, (T, D), with functions alone: no masks, no modules."""
    parameters = {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}

    def conv_norm(x, name, conf):
        at, own = f"{name}.convs.", 0
        while f"{at}{own}.weight" in parameters:
            weight = parameters[f"{at}{own}.weight"]
            stride = conf.get("stride", 1) if own == 0 else 1
            dilation = conf.get("dilation", 1) if weight.size(2) > 1 else 1
            pad = (weight.size(2) - 1) * dilation // 2
            groups = x.size(1) // weight.size(1)
            where = dict(stride=stride, padding=pad, dilation=dilation, groups=groups)
            x = functional.conv1d(x, weight, **where)
            own += 1
        names = ("running_mean", "running_var", "weight", "bias")
        statistics = [parameters[f"{name}.norm.{key}"] for key in names]
        return functional.batch_norm(x, *statistics, eps=1e-3)

    x, inputs = x.T.unsqueeze(0), []
    for number, conf in enumerate(BLOCKS):
        at = f"encoders.{number}"
        adds = conf.get("residual") and residual != "none"
        inputs = (inputs if residual == "dense" else []) + [x] if adds else inputs
        for turn in range(conf.get("repeat", 1)):
            x = conv_norm(x.relu() if turn else x, f"{at}.convs.{turn}", conf)
        for index, value in enumerate(inputs if adds else []):
            x = x + conv_norm(value, f"{at}.residuals.{index}", {})
        x = x.relu()
    return x[0].T


@pytest.mark.parametrize(
    "name, exact, published",
    [
        ("train_teacher_jasper_dr_10x5", 332_632_349, "332.6"),
        ("train_student_jasper_mini", 8_188_893, "8.19"),
        ("train_student_quartznet_15x5", 18_924_381, "18.9"),
        ("train_student_quartznet_5x5", 6_713_181, "6.7"),
    ],
)
def test_parameters_are_as_many_as_published(name, exact, published):
    conf = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    with torch.device("meta"):
        encoder = JasperEncoder(64, **conf["encoder_conf"])
    output = encoder.output_size() * LABELS + LABELS
    total = sum(p.numel() for p in encoder.parameters()) + output
    assert total == exact
    assert f"{total / 1e6:.{len(published.split('.')[1])}f}" == published


def test_a_tiny_block_gives_what_a_pencil_does():
    conf = BlockConf(filters=1, kernel=3, residual=True)
    block = JasperBlock(1, conf, separable=False, residual_channels=[1, 1]).eval()
    for conv, weight in zip([*block.convs, *block.residuals], (1.0, 2.0, -3.0)):
        torch.nn.init.constant_(conv.convs[0].weight, weight)
        torch.nn.init.constant_(conv.norm.running_var, 1 - 1e-3)  # so that it divides
    block.convs[0].norm.bias.data.fill_(5.0)
    x = torch.tensor([[[1.0], [2.0], [3.0]]])
    earlier = torch.tensor([[[0.0], [4.0], [1.0]]])
    lens = torch.tensor([3])
    y, frames = block(x, Frames(lens, lens), [x, earlier])
    # convolution 3, 6, 5, plus 5; twice the input; minus three times the earlier one
    assert torch.allclose(y.flatten(), torch.tensor([10.0, 3.0, 13.0]))
    lens = torch.tensor([3, 2])
    pair = torch.stack([x[0], torch.tensor([[1.0], [2.0], [0.0]])])
    y, _ = block(pair, Frames(lens, lens), [pair, 2 * pair])
    # second row: convolution 3, 3, plus 5; (2 - 6) times the input
    assert torch.allclose(y[1].flatten(), torch.tensor([4.0, 0.0, 0.0]))


def test_a_separable_convolution_is_a_full_one_of_rank_one():
    torch.manual_seed(0)
    conf = BlockConf(filters=4, kernel=5, dilation=2)
    block = JasperBlock(3, conf, separable=True).eval()
    depthwise, pointwise = (conv.weight for conv in block.convs[0].convs)
    x = torch.randn(2, 11, 3)
    lens = torch.tensor([11, 11])
    y, _ = block(x, Frames(lens, lens))
    weight = pointwise * depthwise.transpose(0, 1)  # (4, 3, 1) * (1, 3, 5)
    full = functional.conv1d(x.transpose(1, 2), weight, padding=4, dilation=2)
    assert torch.allclose(y.transpose(1, 2), (full / 1.001**0.5).relu(), atol=1e-6)


@pytest.mark.parametrize("residual, separable", FORMS)
def test_a_padded_batch_equals_its_utterances_without_masks(residual, separable):
    encoder = make(residual, separable).eval()
    x = features()
    out, lens, _ = encoder(x, LENS)
    assert lens.tolist() == [6, 16, 1, 10]
    assert out.shape == (4, 16, 10) and encoder.output_size() == 10
    for n, length in enumerate(LENS.tolist()):
        alone = reference(encoder, x[n, :length], residual)
        assert torch.allclose(out[n, : lens[n]], alone, rtol=0, atol=1e-5)
        assert not out[n, lens[n] :].any()
    assert out.count_nonzero() > 100  # something passed the ReLU


def test_the_residual_form_says_what_a_block_adds():
    counts = {
        form: [len(b.residuals) for b in make(form).encoders]
        for form in ("dense", "plain", "none")
    }
    assert counts == {
        "dense": [0, 1, 2, 3, 0, 0],
        "plain": [0, 1, 1, 1, 0, 0],
        "none": [0] * 6,
    }


@pytest.mark.parametrize("residual, separable", FORMS)
def test_training_does_not_see_the_padding(residual, separable):
    results = []
    for garbage, extra in ((0.0, 0), (1e4, 0), (math.nan, 7)):
        encoder = make(residual, separable).train()
        x = functional.pad(features(garbage), (0, 0, 0, extra), value=garbage)
        out, lens, _ = encoder(x, LENS)
        out.square().sum().backward()
        grads = [p.grad for p in encoder.parameters()]
        results.append([out, *grads, *encoder.buffers()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


@pytest.mark.parametrize("residual, separable", FORMS)
def test_gradient_reaches_every_parameter(residual, separable):
    encoder = make(residual, separable).train()
    out, _, _ = encoder(features(), LENS)
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_dropout_is_that_of_the_block():
    blocks = [dict(filters=500, kernel=1, dropout=0.75), dict(filters=500, kernel=1)]
    encoder = make(blocks=blocks).train()
    frames = Frames(torch.tensor([20]), torch.tensor([20]))
    x = torch.randn(1, 20, 9)
    first, _ = encoder.encoders[0](x, frames)
    second, _ = encoder.encoders[1](first, frames)
    zeros = [1 - value.count_nonzero().item() / 10_000 for value in (first, second)]
    assert zeros[0] == pytest.approx(1 - 0.5 * 0.25, abs=0.03)  # ReLU passes half
    assert zeros[1] == pytest.approx(0.5, abs=0.1)


def test_a_block_overrules_the_encoder_on_separability():
    encoder = make(separable=True)
    assert [len(b.convs[0].convs) for b in encoder.encoders] == [2] * 5 + [1]
    # a residual connection is pointwise anyway
    assert {len(r.convs) for b in encoder.encoders for r in b.residuals} == {1}


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(blocks=[]), "blocks is empty"),
        (dict(residual="sparse"), "one of .*dense.*got 'sparse'"),
        (
            dict(blocks=[dict(filters=4, kernel=3), dict(filters=4, kernal=3)]),
            r"blocks\[1\]: \['kernel'\] missing",
        ),
        (
            dict(blocks=[dict(filters=4, kernel=3, groups=2)]),
            r"blocks\[0\]: unknown keys \['groups'\].*'dilation'.*'separable'",
        ),
        (dict(blocks=[dict(filters=4, kernel=4)]), r"blocks\[0\]: kernel must be odd"),
        (dict(blocks=[dict(filters=0, kernel=3)]), "filters must be 1 or more, got 0"),
        (dict(blocks=[dict(filters=4, kernel=3, dropout=1.0)]), r"in \[0, 1\), got 1"),
        (
            dict(blocks=[dict(filters=4, kernel=3, stride=2, residual=True)]),
            r"blocks\[0\]: a residual block keeps the frame rate, got stride 2",
        ),
        (
            dict(blocks=[BLOCKS[1], BLOCKS[0]]),
            r"blocks\[1\]: stride 2 after a residual block.*residual: plain",
        ),
    ],
)
def test_a_bad_value_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        JasperEncoder(9, **{"blocks": BLOCKS, **given})


def test_a_stride_counts_once_for_all_repeats():
    encoder = make(blocks=[dict(filters=4, kernel=3, stride=3, repeat=3)]).eval()
    _, lens, _ = encoder(features(), LENS)
    assert lens.tolist() == [4, 11, 1, 7]


def test_a_stride_may_follow_plain_residuals():
    encoder = make("plain", blocks=[BLOCKS[1], BLOCKS[0], BLOCKS[1]]).eval()
    _, lens, _ = encoder(features(), LENS)
    assert lens.tolist() == [6, 16, 1, 10]


def test_an_utterance_without_frames_is_too_short():
    with pytest.raises(TooShortUttError, match="no feature frames"):
        make()(torch.zeros(1, 0, 9), torch.tensor([0]))


@pytest.fixture(scope="module")
def model(make_args):
    from espnet2.tasks.asr import ASRTask

    from espnet_tutornet.encoder.register import register_encoders

    register_encoders()
    args = make_args()
    args.encoder, args.encoder_conf = "jasper", dict(blocks=BLOCKS)
    return ASRTask.build_model(args)


def test_espnet_builds_it_and_every_block_is_a_layer(model, hop):
    names = [f"encoders.{n}" for n in range(len(BLOCKS))]
    probe = probe_model(model, names)
    assert probe.frame_shift == 2 * hop
    widths = [block["filters"] for block in BLOCKS]
    assert probe.sizes == {**dict(zip(names, widths)), "last": 10}


def test_an_unknown_layer_is_answered_with_the_blocks(model):
    with pytest.raises(ValueError, match="no layer 'blocks.1'.*encoders.0.*encoders.5"):
        probe_model(model, ["blocks.1"])
