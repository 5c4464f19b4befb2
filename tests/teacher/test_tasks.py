"""What cannot be built says which task, package or file is at fault."""

import argparse
import sys
import types
from importlib.util import find_spec

import pytest
import torch
import yaml

from espnet_tutornet.teacher.loading import load_model
from espnet_tutornet.teacher.tasks import build_model

WHISPER = dict(frontend=None, input_size=1, encoder="whisper", encoder_conf=None)
NEEDS = {  # package -> configuration, what the message says
    "whisper": (WHISPER, r"openai-whisper==20230918 \(ESPnet cannot read later ones\)"),
    "s3prl": (
        dict(frontend="s3prl", frontend_conf=dict(frontend_conf=dict(upstream="apc"))),
        "pip install espnet-s3prl",
    ),
    "transformers": (
        dict(frontend="huggingface", frontend_conf=dict(model="a/b")),
        "pip install transformers",
    ),
    "loralib": (
        dict(use_adapter=True, adapter="lora", adapter_conf={}),
        "pip install loralib",
    ),
}


@pytest.fixture
def saved(make_args, tmp_path):
    """Return saved(**arguments): config.yaml and a .pth of nothing."""

    def save(**given):
        args = {**vars(make_args()), **given}
        args["encoder_conf"] = args["encoder_conf"] or {}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(args))
        torch.save({"ctc.ctc_lo.bias": torch.zeros(1)}, tmp_path / "model.pth")
        return tmp_path / "config.yaml", tmp_path / "model.pth"

    return save


@pytest.mark.parametrize("package", NEEDS)
def test_a_missing_package_is_named_with_its_release(package, saved):
    if find_spec(package):
        pytest.skip("it is installed")
    conf, message = NEEDS[package]
    with pytest.raises(RuntimeError, match=message) as error:
        load_model(*saved(**conf))
    assert "config.yaml: the teacher's network needs a package" in str(error.value)


def test_a_whisper_that_espnet_cannot_read_is_named(saved, monkeypatch):
    """openai-whisper after 20230918 has no N_MELS: there was a traceback."""
    for name in ("whisper", "whisper.audio"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with pytest.raises(RuntimeError, match="another release.*==20230918"):
        load_model(*saved(**WHISPER))


def test_a_base_network_that_cannot_be_fetched_is_named(saved, monkeypatch):
    module = types.ModuleType("s3prl.nn")
    module.S3PRLUpstream = type("S3PRLUpstream", (), {"available_names": list})
    module.Featurizer = None
    for name, found in (("s3prl", types.ModuleType("s3prl")), ("s3prl.nn", module)):
        monkeypatch.setitem(sys.modules, name, found)
    message = "config.yaml: the base network of its frontend s3prl.*'upstream': 'apc'"
    with pytest.raises(ValueError, match=message):
        load_model(*saved(**NEEDS["s3prl"][0]))


def test_losses_of_other_packages_are_not_needed(make_args):
    """A teacher needs no loss: k2 and gtn need not be installed."""
    args = vars(make_args(ctc_conf=dict(ctc_type="brctc")))
    assert build_model(args, {}).ctc.ctc_type == "builtin"
    assert args["ctc_conf"]["ctc_type"] == "brctc"


def test_adapters_alone_are_not_a_model(saved, tmp_path, monkeypatch):
    config, model = saved()
    conf = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**conf, "use_adapter": True, "adapter_conf": {}}))
    # what creates them has its own test, where its package is installed
    monkeypatch.setattr("espnet_tutornet.teacher.tasks.create_adapter", lambda *_: None)
    with pytest.raises(ValueError, match="is not for .*save_strategy adapter_only"):
        load_model(config, model)


def test_a_model_of_another_task_is_named(make_args):
    args = argparse.Namespace(**vars(make_args()), src_token_list=["a"])
    with pytest.raises(ValueError, match="task st .speech translation"):
        build_model(vars(args), {})
