"""Nothing that a teacher brings, or that its configuration names, is executed."""

import argparse
import os
import sys
import types

import pytest
import torch
import yaml
from malicious import Malicious

from espnet_tutornet.teacher.loading import load_model
from espnet_tutornet.teacher.safe_load import load_parameters, weights_only


@pytest.fixture(params=["0", "1"])
def environment(request, monkeypatch):
    """Let the user have asked torch to load everything, or not."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", request.param)


@pytest.fixture
def trap(tmp_path):
    """Return a malicious checkpoint, and the file that it makes when it is run."""
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": Malicious(tmp_path / "executed")}, path)
    return path, tmp_path / "executed"


def careless(load, path):
    """Load as libraries do that trust what they fetched."""
    return load(path, map_location="cpu", weights_only=False)


def test_whoever_loads_inside_loads_weights_alone(environment, trap):
    path, executed = trap
    kept = torch.load  # as who imported it before
    for load in (lambda *a, **k: torch.load(*a, **k), kept):
        with pytest.raises(Exception), weights_only():
            careless(load, path)
    assert not executed.exists()
    assert torch.load is kept and torch.serialization.load is kept
    careless(torch.load, path)
    assert executed.exists(), "the trap itself must work, and outside nothing changed"


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    before = dict(os.environ)
    with weights_only():
        assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
    assert dict(os.environ) == before


def test_options_of_a_training_beside_the_weights_are_let_through(tmp_path):
    content = {"Args": argparse.Namespace(a=1), "w": torch.ones(2)}
    torch.save(content, tmp_path / "c.pt")
    with weights_only():
        assert torch.load(tmp_path / "c.pt")["Args"].a == 1


# where a configuration names a file, or a network that is fetched: the block that
# does it, and the function of the library that loads it
NETWORKS = {
    "s3prl": dict(
        frontend="s3prl",
        frontend_conf=dict(
            frontend_conf=dict(upstream="wavlm_local", path_or_url="PATH")
        ),
    ),
    "fused": dict(
        frontend="fused",
        frontend_conf=dict(
            frontends=[
                dict(
                    frontend_type="s3prl",
                    multilayer_feature=False,
                    frontend_conf=dict(upstream="wavlm_local", path_or_url="PATH"),
                )
            ]
        ),
    ),
    "huggingface": dict(frontend="huggingface", frontend_conf=dict(model="PATH")),
    "whisper": dict(
        frontend=None,
        input_size=1,
        encoder="whisper",
        encoder_conf=dict(whisper_model="PATH"),
    ),
    "wav2vec2": dict(
        frontend=None,
        input_size=1,
        encoder="wav2vec2",
        encoder_conf=dict(w2v_url="PATH", w2v_dir_path="."),
    ),
}


def stand_ins(path):
    """Return libraries that load what they are told to, as carelessly as can be."""

    def load(*args, **kwargs):
        careless(torch.load, path)
        raise AssertionError("it was loaded")

    names = "s3prl s3prl.nn transformers whisper whisper.audio whisper.model fairseq "
    wav2vec = "fairseq.models.wav2vec.wav2vec2"
    names += f"fairseq.models fairseq.models.wav2vec {wav2vec}"
    found = {name: types.ModuleType(name) for name in names.split()}
    found[wav2vec].Wav2Vec2Model = load
    found["s3prl.nn"].Featurizer = load
    found["s3prl.nn"].S3PRLUpstream = load
    load.available_names = lambda: ["wavlm_local", None]
    for name in ("AutoConfig", "AutoFeatureExtractor", "AutoModel"):
        kind = types.SimpleNamespace(from_pretrained=load, from_config=load)
        setattr(found["transformers"], name, kind)
    for name in ("EncodecFeatureExtractor", "WhisperFeatureExtractor"):
        setattr(found["transformers"], name, type(name, (), {}))
    for name in ("HOP_LENGTH", "N_FFT", "N_MELS", "N_SAMPLES"):
        setattr(found["whisper.audio"], name, 80)
    found["whisper.audio"].mel_filters = None
    found["whisper"].audio = found["whisper.audio"]
    found["whisper"].available_models = lambda: [str(path)]
    found["whisper"].load_model = load
    tasks = types.SimpleNamespace(checkpoint_utils=types.SimpleNamespace())
    tasks.checkpoint_utils.load_model_ensemble_and_task = load
    found["fairseq"].checkpoint_utils = tasks.checkpoint_utils
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_a_checkpoint_that_a_configuration_names_is_not_executed(
    network, environment, trap, make_args, tmp_path, monkeypatch
):
    path, executed = trap
    for name, module in stand_ins(path).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(tmp_path)
    args = vars(make_args())
    args.update(NETWORKS[network])
    text = yaml.safe_dump(args).replace("PATH", str(path))
    (tmp_path / "config.yaml").write_text(text)
    torch.save({"ctc.ctc_lo.bias": torch.zeros(1)}, tmp_path / "model.pth")
    with pytest.raises((ValueError, RuntimeError)) as error:
        load_model(tmp_path / "config.yaml", tmp_path / "model.pth")
    assert not executed.exists(), error.value
    assert "config.yaml" in str(error.value)


def test_parameters_of_deepspeed_and_lightning_are_unwrapped(tmp_path):
    for name in ("module", "state_dict"):
        torch.save({name: {"w": torch.ones(2)}, "step": 3}, tmp_path / "m.pth")
        assert list(load_parameters(tmp_path / "m.pth")) == ["w"]


def test_values_that_are_no_tensors_are_named(tmp_path):
    torch.save({"w": torch.ones(2), "epoch": 3}, tmp_path / "m.pth")
    with pytest.raises(ValueError, match="expected a dict of tensors.*int under 'epo"):
        load_parameters(tmp_path / "m.pth")
