import pytest
import torch

from espnet_tutornet.layers.padding import espnet_masks_padding, mask_padding
from espnet_tutornet.layers.taps import encode_with_taps

LENGTHS = [120, 77, 40]  # feature frames
BY_RELEASE = ["branchformer", "conformer", "e_branchformer", "multiconv_conformer"]
# where a block lies, or a position, depends on the longest utterance of the batch
CANNOT = ("conformer_legacy", "contextual_conformer", "contextual_transformer")


@pytest.fixture(scope="module")
def features():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 120, 20, generator=generator)
    for row, frames in zip(x, LENGTHS):
        row[frames:] = 0.0  # as ESPnet's frontend leaves them
    return x


def blocks_of(encoder):
    names = [name for name, _ in encoder.named_modules()]
    return [n for n in names if n.startswith("encoders.") and n.count(".") == 1]


def encode(encoder, layers, x, lengths):
    def call(x, lengths):
        outputs, lens, _ = encoder(x, lengths)
        return outputs, lens

    with torch.no_grad():
        _, lens, hidden = encode_with_taps(
            call, encoder, layers, x, torch.tensor(lengths)
        )
    return torch.as_tensor(lens).tolist(), hidden


def worst(encoder, layers, x):
    """Encode in a batch and alone: frame counts of both, greatest relative norm."""
    lens, hidden = encode(encoder, layers, x, LENGTHS)
    own, errors = [], []
    for row, frames in enumerate(LENGTHS):
        (count,), alone = encode(encoder, layers, x[row : row + 1, :frames], [frames])
        own.append(count)
        for name, expected in alone.items():
            error = hidden[name][row, :count] - expected[0, :count]
            errors.append(float(error.norm() / expected[0, :count].norm()))
    return lens, own, max(errors)


def test_no_utterance_reads_padding(build_asr, shake, encoder_kind, features):
    if encoder_kind in CANNOT:
        pytest.skip("cannot be masked: utterances of one length are asked together")
    encoder = shake(build_asr(1, encoder_kind)).encoder
    mask_padding(encoder)
    lens, own, error = worst(encoder, blocks_of(encoder), features)
    assert lens == own
    assert error < 1e-5


@pytest.mark.parametrize("name", [*BY_RELEASE, "vgg_rnn", "conformer_conv1d"])
def test_these_features_show_who_reads_padding(build_asr, shake, name, features):
    if name in BY_RELEASE and espnet_masks_padding():
        pytest.skip("this ESPnet masks it")
    encoder = shake(build_asr(1, name)).encoder
    _, _, error = worst(encoder, [], features)
    assert error > 1e-4


@pytest.mark.parametrize("name", BY_RELEASE)
def test_what_espnet_masks_itself_is_left_to_it(build_asr, name):
    hooked = mask_padding(build_asr(1, name).encoder)
    assert (hooked == 0) == espnet_masks_padding()


def test_parameters_and_their_names_stay(build_asr, encoder_kind):
    model = build_asr(1, encoder_kind)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mask_padding(model.encoder)
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_second_call_does_nothing(build_asr):
    encoder = build_asr(1, "vgg_rnn").encoder
    assert mask_padding(encoder) == 4
    assert mask_padding(encoder) == 0


def test_an_utterance_alone_is_encoded_to_the_bit_as_before(
    build_asr, encoder_kind, features
):
    encoder = build_asr(1, encoder_kind).encoder
    before = encode(encoder, [], features[:1], [120])[1]["last"]
    mask_padding(encoder)
    assert torch.equal(encode(encoder, [], features[:1], [120])[1]["last"], before)


def test_an_utterance_shorter_than_the_subsampling_has_no_frames(build_asr, features):
    encoder = build_asr(1, "conformer").encoder
    mask_padding(encoder)
    lens, hidden = encode(encoder, [], features, [120, 77, 2])
    assert lens[2] == 0
    assert torch.isfinite(hidden["last"]).all()


@pytest.mark.parametrize("name", ["transformer", "e_branchformer"])  # no batch norm
def test_a_step_of_training_hears_no_padding(build_asr, shake, name, features):
    dropout = dict.fromkeys(
        ("dropout_rate", "positional_dropout_rate", "attention_dropout_rate"), 0.0
    )
    encoder = shake(build_asr(1, name, encoder_conf=dropout)).encoder.train()
    mask_padding(encoder)
    _, lens, _ = together = encoder(features, torch.tensor(LENGTHS))
    alone, _, _ = encoder(features[2:, :40], torch.tensor([40]))
    frames = int(lens[2])
    torch.testing.assert_close(together[0][2, :frames], alone[0])
    gradients = []
    for output in (together[0][2, :frames], alone[0]):
        encoder.zero_grad()
        output.pow(2).sum().backward()
        gradients.append([p.grad.clone() for p in encoder.parameters()])
    for ours, theirs in zip(*gradients):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
