"""A weight schedule in ESPnet's own training loop: counted, logged, resumed."""

import re

import pytest
import torch
import yaml

from espnet_tutornet.bin.tutornet_train import main as train
from espnet_tutornet.experiment.training import Budget, make_config, write_config

TERMS = {
    "skd": {"criterion": "kl", "weight": 1.0, "schedule": {"kind": "linear"}},
    "inter": {"student_layer": "encoders.0"},
    "sequence": {"nbest": 2},
}


@pytest.fixture
def run(make_args, teacher_files, wav_data, tokens, tmp_path):
    """Return run(name, epochs): a training of six batches in two epochs."""
    args = vars(make_args())
    keys = ("encoder", "encoder_conf", "frontend_conf", "model_conf")
    config, model = (str(path) for path in teacher_files)
    conf = {key: args[key] for key in keys}
    conf.update(batch_type="sorted", batch_size=1, max_epoch=2, num_workers=0)
    conf.update(use_tensorboard=False, use_matplotlib=False, num_att_plot=0)
    conf["distill_conf"] = {"teacher": {"config": config, "model": model}}
    conf["distill_conf"]["terms"] = TERMS
    (tmp_path / "open.yaml").write_text(yaml.safe_dump(conf))
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    made = tmp_path / "train.yaml"
    inputs, budget = [tmp_path / "open.yaml"], Budget(None, None, wav_data / "text")
    write_config(made, inputs, make_config(inputs, 16000, budget))

    def call(name, epochs):
        command = ["--config", made, "--output_dir", tmp_path / name, "--ngpu", 0]
        command += ["--token_type", "word", "--token_list", tmp_path / "tokens.txt"]
        command += ["--max_epoch", epochs, "--resume", "true", "--seed", 3]
        for mode in ("train", "valid"):
            kind = f"--{mode}_data_path_and_name_and_type"
            command += [kind, f"{wav_data}/wav.scp,speech,sound"]
            command += [kind, f"{wav_data}/text,text,text"]
            command += [f"--{mode}_shape_file", wav_data / "speech_shape"]
        train([str(word) for word in command])
        return tmp_path / name

    return call


def load(path):
    return torch.load(path, weights_only=True)


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_training_goes_on_with_its_weight(run, caplog):
    caplog.set_level("INFO")
    whole = run("whole", 2)
    lines = [line for line in caplog.messages if "weight_skd=" in line]
    found = [float(re.search(r"weight_skd=([0-9.]+)", line)[1]) for line in lines]
    # means of 1, 5/6, 4/6, then of 3/6, 2/6, 1/6; in validation the next one
    assert found[-1] == pytest.approx(1 / 3, abs=1e-3)
    broken = run("broken", 1)
    assert load(broken / "1epoch.pth")["distiller.batches"] == 3
    run("broken", 2)
    ours, theirs = load(broken / "2epoch.pth"), load(whole / "2epoch.pth")
    assert ours["distiller.batches"] == 6
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name
