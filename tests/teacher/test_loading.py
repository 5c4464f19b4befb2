import pickle

import pytest
import torch
import yaml
from malicious import Malicious

from espnet_tutornet.teacher.loading import load_config, load_model
from espnet_tutornet.teacher.names import names_of_202511
from espnet_tutornet.teacher.safe_load import load_parameters


def test_loaded_model_is_complete_frozen_and_in_eval_mode(teacher_files):
    config, parameters = teacher_files
    model, args = load_model(config, parameters)
    saved = torch.load(parameters, weights_only=True)
    assert set(model.state_dict()) == set(saved)
    assert all(torch.equal(v, saved[k]) for k, v in model.state_dict().items())
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(m.training for m in model.modules())
    assert args.encoder == "conformer"


@pytest.mark.parametrize("encoder", ["rnn", "vgg_rnn"])
def test_a_recurrent_model_does_not_drop_what_it_heard(save_asr, tmp_path, encoder):
    files = save_asr(tmp_path, 1, encoder, encoder_conf={"dropout": 0.5})
    model, _ = load_model(*files)
    speech, lengths = torch.randn(1, 16000), torch.tensor([16000])
    first, second = (model.encode(speech, lengths)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_missing_files_are_named(tmp_path, teacher_files):
    with pytest.raises(
        FileNotFoundError, match="no .*c.yaml: expected the teacher's conf"
    ):
        load_model(tmp_path / "c.yaml", teacher_files[1])
    with pytest.raises(
        FileNotFoundError, match="no .*m.pth: expected the teacher's param"
    ):
        load_model(teacher_files[0], tmp_path / "m.pth")


@pytest.mark.parametrize(
    "content", [b"", b"- a\n- b\n", b"encoder: rnn\n", b"a: [1", b"\x80\x02\xff\xfe"]
)
def test_what_is_not_a_config_is_refused(tmp_path, content):
    config = tmp_path / "config.yaml"
    config.write_bytes(content)
    with pytest.raises(
        ValueError, match="is not the config.yaml of a trained.*token_l"
    ):
        load_config(config)


def test_parameters_given_as_configuration_are_refused(teacher_files):
    with pytest.raises(ValueError, match="model.pth is not the config.yaml"):
        load_config(teacher_files[1])


def test_parameters_of_another_encoder_are_refused(teacher_files, save_asr, tmp_path):
    _, other = save_asr(tmp_path, 0, "rnn")
    with pytest.raises(
        ValueError,
        match="model.pth is not for .*config.yaml: .*Missing key.*encoders.0",
    ):
        load_model(teacher_files[0], other)


def test_parameters_of_another_size_are_refused(teacher_files, save_asr, tmp_path):
    _, other = save_asr(tmp_path, 0, encoder_conf=dict(output_size=8))
    with pytest.raises(ValueError, match="is not for .*size mismatch for encoder"):
        load_model(teacher_files[0], other)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_one_key_too_few_or_too_many_is_refused(teacher_files, tmp_path, change):
    config, parameters = teacher_files
    state_dict = torch.load(parameters, weights_only=True)
    if change == "missing":
        del state_dict["ctc.ctc_lo.bias"]
    else:
        state_dict["ctc.extra"] = torch.zeros(1)
    torch.save(state_dict, tmp_path / "model.pth")
    name = "ctc.ctc_lo.bias" if change == "missing" else "ctc.extra"
    with pytest.raises(ValueError, match=rf"(?i){change} key.*{name}"):
        load_model(config, tmp_path / "model.pth")


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path):
    trap, file = tmp_path / "executed", tmp_path / "model.pth"
    torch.save({"encoder.weight": Malicious(trap)}, file)
    with pytest.raises(ValueError, match="model.pth cannot be read as parameters"):
        load_parameters(file)
    file.write_bytes(pickle.dumps(Malicious(trap)))
    with pytest.raises(ValueError, match="cannot be read as parameters"):
        load_parameters(file)
    assert not trap.exists()
    pickle.loads(file.read_bytes())
    assert trap.exists(), "the trap itself must work"


def test_a_damaged_file_is_refused(tmp_path, teacher_files):
    content = teacher_files[1].read_bytes()
    file = tmp_path / "model.pth"
    for damaged in (b"", content[: len(content) // 2], b"not a model"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="cannot be read as parameters"):
            load_parameters(file)


def test_a_file_that_holds_a_list_is_refused(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "model.pth")
    with pytest.raises(ValueError, match="expected a dict of tensors.*got: list"):
        load_parameters(tmp_path / "model.pth")


def test_a_file_that_the_configuration_names_and_that_is_missing(
    tmp_path, make_args, teacher_files
):
    conf = dict(stats_file=str(tmp_path / "feats_stats.npz"))
    args = make_args(normalize="global_mvn", normalize_conf=conf)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(vars(args)))
    with pytest.raises(
        FileNotFoundError, match="config.yaml names a file.*feats_stats.npz"
    ):
        load_model(config, teacher_files[1])


def test_a_configuration_of_another_release_is_completed(teacher_files, tmp_path):
    config, parameters = teacher_files
    conf = yaml.safe_load(config.read_text())
    for key in ("preencoder", "postencoder", "ctc_conf", "specaug", "joint_net_conf"):
        conf.pop(key, None)  # keys that a release may not have written
    conf["a_key_of_tomorrow"] = {"b": 1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(conf))
    model, _ = load_model(tmp_path / "config.yaml", parameters)
    saved = torch.load(parameters, weights_only=True)
    assert all(torch.equal(v, saved[k]) for k, v in model.state_dict().items())


def test_a_structure_that_this_release_lacks_is_refused(teacher_files, tmp_path):
    config, parameters = teacher_files
    conf = yaml.safe_load(config.read_text())
    conf["encoder_conf"]["invented"] = 3
    conf["version"] = "209901"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(conf))
    with pytest.raises(ValueError, match="release 209901 configured.*invented"):
        load_model(tmp_path / "config.yaml", parameters)


def test_the_command_line_of_the_process_plays_no_part(
    teacher_files, tmp_path, monkeypatch
):
    config, parameters = teacher_files
    (tmp_path / "train.yaml").write_text("distill_conf: {}\nencoder: rnn\n")
    command = ["train", "--config", str(tmp_path / "train.yaml"), "--ngpu", "many"]
    monkeypatch.setattr("sys.argv", command)
    model, args = load_model(config, parameters)
    assert type(model.encoder).__name__ == "ConformerEncoder"


@pytest.mark.parametrize("place", ["embed.out.0", "embed.out"])
def test_parameters_named_by_either_release_load(teacher_files, tmp_path, place):
    """ESPnet 202611 renamed the layer after the convolutions; 202511 must read it."""
    config, parameters = teacher_files
    saved = names_of_202511(torch.load(parameters, weights_only=True))
    assert "encoder.embed.out.0.weight" in saved
    named = {k.replace("embed.out.0", place): v for k, v in saved.items()}
    torch.save(named, tmp_path / "model.pth")
    model, _ = load_model(config, tmp_path / "model.pth")
    for name, value in names_of_202511(model.state_dict()).items():
        assert torch.equal(value, saved[name]), name
