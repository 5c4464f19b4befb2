import pytest
import torch

from espnet_tutornet.layers.probe import probe_model


def test_probe_measures_the_frame_shift_of_every_encoder(
    build_asr, encoder_name, hop, subsampling_of
):
    model = build_asr(0, encoder_name)
    probe = probe_model(model)
    assert probe.frame_shift == hop * subsampling_of(encoder_name)
    assert probe.sizes == {"last": model.encoder.output_size()}


@pytest.mark.parametrize("hop_length", [80, 128, 200, 256])
def test_probe_measures_other_hops(build_asr, hop_length):
    model = build_asr(0, frontend_conf=dict(n_mels=20, hop_length=hop_length))
    assert probe_model(model).frame_shift == hop_length * 4


def test_probe_measures_inner_layers(build_asr):
    sizes = probe_model(build_asr(0, "rnn"), ["enc.0"]).sizes
    assert sizes == {"enc.0": 10, "last": 10}


@pytest.mark.parametrize("training", [True, False])
def test_probe_restores_the_mode_and_draws_no_random_number(build_asr, training):
    model = build_asr(0).train(training)
    before = torch.get_rng_state()
    probe_model(model)
    assert model.training is training and model.encoder.training is training
    assert torch.equal(torch.get_rng_state(), before)


def test_probe_changes_no_buffer_and_leaves_no_gradient(build_asr):
    model = build_asr(0).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    probe_model(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_probe_refuses_an_unknown_layer(build_asr):
    with pytest.raises(ValueError, match="no layer 'encoders.9'.*encoders.1"):
        probe_model(build_asr(0), ["encoders.9"])


def test_probe_refuses_a_layer_at_another_frame_rate(build_asr):
    with pytest.raises(ValueError, match="'embed.conv.0' puts out.*of 24 frames"):
        probe_model(build_asr(0), ["embed.conv.0"])


def test_probe_refuses_a_model_that_takes_features(build_asr):
    model = build_asr(0, input_size=20)
    with pytest.raises(ValueError, match="takes features.*input_size.*frontend"):
        probe_model(model)
