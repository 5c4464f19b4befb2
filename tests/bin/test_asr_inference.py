"""The commands that know our encoders; the stock one, which says that it does not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_tutornet.bin import asr_inference, asr_train
from espnet_tutornet.experiment.card import NEEDS_US
from espnet_tutornet.student.export import HOW_TO_RUN, export_student

ROOT = Path(__file__).parents[2]
BLOCKS = [
    dict(filters=8, kernel=5, stride=2),
    dict(filters=8, kernel=3, repeat=2, residual=True),
]
GREEDY = ["--beam_size", "1", "--ctc_weight", "1.0"]


def _files(save_asr, directory):
    """Save a random Jasper."""
    config, model = directory / "config.yaml", directory / "model.pth"
    from espnet2.tasks.asr import ASRTask

    save_asr(directory, 0)  # of a conformer
    conf = yaml.safe_load(config.read_text())
    conf.update(encoder="jasper", encoder_conf={"blocks": BLOCKS}, token_type="char")
    torch.manual_seed(0)
    built = ASRTask.build_model(ASRTask.get_parser().parse_args(_as_file(config, conf)))
    torch.save(built.state_dict(), model)
    return _named(config, model)


def _named(config, model):
    return ["--asr_train_config", str(config), "--asr_model_file", str(model)]


def _as_file(config, conf):
    config.write_text(yaml.safe_dump(conf))
    return ["--config", str(config), "--output_dir", str(config.parent)]


def _data(wav_data, out):
    scp = f"{wav_data}/wav.scp,speech,sound"
    return ["--data_path_and_name_and_type", scp, "--output_dir", str(out)]


def test_parameters_of_either_release_are_decoded(save_asr, wav_data, tmp_path):
    """ESPnet 202511 passed over ``embed.out`` of 202611, and the layer was random."""
    config, model = save_asr(tmp_path, 5)  # ESPnet's own seed is 0
    _as_file(config, {**yaml.safe_load(config.read_text()), "token_type": "char"})
    found = {}
    parameters = torch.load(model, weights_only=True)
    for name, layer in (("202511", "embed.out.0."), ("202611", "embed.out.")):
        path = tmp_path / f"{name}.pth"
        named = {
            re.sub(r"embed\.out\.(0\.)?", layer, k): v for k, v in parameters.items()
        }
        torch.save(named, path)
        out = tmp_path / name
        asr_inference.main([*_named(config, path), *_data(wav_data, out), *GREEDY])
        found[name] = (out / "1best_recog/score").read_text()
    assert found["202511"] == found["202611"]


def test_it_decodes_what_stock_espnet_lacks(save_asr, wav_data, tmp_path):
    files = _files(save_asr, tmp_path)
    asr_inference.main([*files, *_data(wav_data, tmp_path / "out"), *GREEDY])
    lines = (tmp_path / "out/1best_recog/text").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["u0", "u1", "u2"]
    tokens = (tmp_path / "out/1best_recog/token").read_text()
    assert set(tokens.split()) & {"A", "B", "C", "D"}, tokens


def test_a_foreseen_error_is_one_line(wav_data, tmp_path, capsys):
    files = ["--asr_train_config", str(tmp_path / "none.yaml")]
    with pytest.raises(SystemExit):
        asr_inference.main([*files, *_data(wav_data, tmp_path / "out")])
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error" in last and "none.yaml" in last


def test_training_passes_the_blocks_through_the_yaml(wav_data, tokens, tmp_path):
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    conf = dict(
        encoder="jasper",
        encoder_conf=dict(residual="plain", blocks=BLOCKS),
        model_conf=dict(ctc_weight=1.0),
        frontend_conf=dict(n_mels=20),
        normalize="utterance_mvn",
        normalize_conf={},
        token_type="char",
        token_list=str(tmp_path / "tokens.txt"),
    )
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(conf))
    out = tmp_path / "exp"
    command = ["--config", tmp_path / "train.yaml", "--output_dir", out]
    command += ["--dry_run", "true", "--iterator_type", "none", "--ngpu", "0"]
    for mode in ("train", "valid"):
        kind = f"--{mode}_data_path_and_name_and_type"
        command += [kind, f"{wav_data}/wav.scp,speech,sound"]
        command += [kind, f"{wav_data}/text,text,text"]
    asr_train.main([str(word) for word in command])
    dumped = yaml.safe_load((out / "config.yaml").read_text())
    assert dumped["encoder"] == "jasper"
    assert dumped["encoder_conf"] == conf["encoder_conf"]


def test_the_parsers_are_those_of_espnet_and_know_our_encoders():
    assert asr_inference.get_parser().get_default("maxlenratio") == 0.0
    command = ["--output_dir", "out", "--encoder", "deepspeech2"]
    assert asr_train.get_parser().parse_args(command).encoder == "deepspeech2"


@pytest.fixture
def run():
    """Return run(module, words): a command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("TUTORNET_TRACEBACK", None)

    def run(module, words):
        command = [sys.executable, "-m", module, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.integration
def test_an_exported_jasper_says_what_runs_it_and_runs_there(
    save_asr, wav_data, tmp_path, run
):
    _files(save_asr, tmp_path)
    export = export_student(tmp_path, "model.pth")
    words = _named(export / "config.yaml", export / "model.pth")
    words += [*_data(wav_data, tmp_path / "out"), *GREEDY]
    stock = run("espnet2.bin.asr_inference", words)
    assert stock.returncode != 0
    last = stock.stderr.strip().splitlines()[-1]
    assert last.endswith("--encoder jasper"), last
    first = (export / "config.yaml").read_text().splitlines()[0]
    assert first.startswith("espnet_tutornet: Its encoder is not in ESPnet.")
    ours = run("espnet_tutornet.bin.asr_inference", words)
    assert ours.returncode == 0, ours.stderr
    assert len((tmp_path / "out/1best_recog/text").read_text().splitlines()) == 3


@pytest.mark.integration
def test_stock_espnet_passes_over_the_key_that_says_it(
    save_asr, wav_data, tmp_path, run
):
    config, model = save_asr(tmp_path, 0)
    conf = {NEEDS_US: HOW_TO_RUN, **yaml.safe_load(config.read_text())}
    config.write_text(yaml.safe_dump({**conf, "token_type": "char"}))
    words = [*_named(config, model), *_data(wav_data, tmp_path / "out"), *GREEDY]
    done = run("espnet2.bin.asr_inference", words)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out/1best_recog/text").read_text().splitlines()) == 3


@pytest.mark.parametrize("alone", [False, True])
def test_audio_shorter_than_a_window_has_an_empty_hypothesis(
    save_asr, wav_data, tmp_path, capsys, alone
):
    """Stock ESPnet ends in torch, which cannot reflect one sample at its ends."""
    config, model = save_asr(tmp_path, 0)
    _as_file(config, {**yaml.safe_load(config.read_text()), "token_type": "char"})
    soundfile.write(tmp_path / "short.wav", np.zeros(1), 16000)
    lines = [] if alone else (wav_data / "wav.scp").read_text().splitlines()[:2]
    lines.append(f"zz {tmp_path / 'short.wav'}")
    scp = tmp_path / "wav.scp"
    scp.write_text("".join(f"{line}\n" for line in lines))
    words = ["--data_path_and_name_and_type", f"{scp},speech,sound", "--key_file"]
    words += [str(scp), "--output_dir", str(tmp_path / "out"), *_named(config, model)]
    asr_inference.main([*GREEDY, *words])
    said = capsys.readouterr().out
    assert "1 utterances are too short for the model" in said and "empty: zz" in said
    found = (tmp_path / "out/1best_recog/text").read_text().splitlines()
    assert sorted(line.split()[0] for line in found) == [x.split()[0] for x in lines]
    assert [line for line in found if line.startswith("zz")] == ["zz "]
