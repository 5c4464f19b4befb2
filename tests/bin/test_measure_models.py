import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet_tutornet.bin.measure_models import main
from espnet_tutornet.student import measuring
from espnet_tutornet.student.cost import macs_per_second


@pytest.fixture(scope="module")
def model_files(save_asr, tmp_path_factory):
    return save_asr(tmp_path_factory.mktemp("model"), 0)


def test_every_model_gets_its_numbers(model_files, build_asr, wav_data, tmp_path):
    config, model_file = model_files
    triples = [f"{tmp_path}/{name}={config}={model_file}" for name in ("a", "b")]
    main(["--wav_scp", str(wav_data / "wav.scp"), "--models", *triples])
    model = build_asr(0)
    for name in ("a", "b"):
        measured = json.loads((tmp_path / name / "measure.json").read_text())
        assert 0 < measured.pop("rtf") < 100 and 0 < measured.pop("rtf_int8") < 100
        assert len(measured.pop("network")) == 64
        assert measured == {
            "parameters": sum(p.numel() for p in model.parameters()),
            "macs_per_second": macs_per_second(model, 16000),
            "size_bytes": model_file.stat().st_size,
        }


def test_a_network_is_measured_once(
    model_files, save_asr, wav_data, tmp_path, monkeypatch
):
    config, model_file = model_files
    same, _ = save_asr(tmp_path / "same", 1)  # of other parameters
    conf = yaml.safe_load(Path(same).read_text())
    conf["encoder_conf"]["attention_heads"] *= 2  # as many parameters
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(conf))
    measured = []
    monkeypatch.setattr(
        measuring,
        "measure_model",
        lambda config, *_: measured.append(config) or dict(parameters=1, rtf=2),
    )
    configs = {"a": config, "b": same, "c": tmp_path / "other.yaml", "d": same}
    where = ["--wav_scp", str(wav_data / "wav.scp"), "--expdir", str(tmp_path)]
    for name, path in configs.items():
        main([*where, "--models", f"{tmp_path}/{name}={path}={model_file}"])
    assert measured == [str(config), str(tmp_path / "other.yaml")]
    read = [json.loads((tmp_path / n / "measure.json").read_text()) for n in "abcd"]
    assert read[0] == read[1] == read[3] and read[0]["network"] != read[2]["network"]
    monkeypatch.setattr(measuring.platform, "node", lambda: "another machine")
    main([*where, "--models", f"{tmp_path}/a={config}={model_file}"])
    assert len(measured) == 3


def test_a_model_that_does_not_run_in_int8_is_still_measured(
    model_files, wav_data, tmp_path, monkeypatch, capsys
):
    def refuse(model):
        raise RuntimeError("no kernel\nat such a place")

    monkeypatch.setattr(measuring, "quantize_linear", refuse)
    config, model_file = model_files
    triple = f"{tmp_path}={config}={model_file}"
    main(["--wav_scp", str(wav_data / "wav.scp"), "--models", triple])
    measured = json.loads((tmp_path / "measure.json").read_text())
    assert measured["rtf"] > 0 and measured["rtf_int8"] is None
    note = f"{model_file} does not run in int8: no kernel\n"
    assert note in capsys.readouterr().err


def test_a_missing_model_is_named(model_files, wav_data, tmp_path, capsys):
    config, _ = model_files
    triple = f"{tmp_path}={config}={tmp_path}/no.pth"
    with pytest.raises(SystemExit) as ended:
        main(["--wav_scp", str(wav_data / "wav.scp"), "--models", triple])
    assert ended.value.code == 1
    assert f"{tmp_path}/no.pth" in capsys.readouterr().err
    assert not (tmp_path / "measure.json").exists()


@pytest.mark.parametrize("alone", [True, False])
def test_what_is_too_short_is_not_timed(model_files, wav_data, tmp_path, capsys, alone):
    """No measure.json, and so no table, for one utterance of 20 ms."""
    config, model_file = model_files
    lines = "" if alone else (wav_data / "wav.scp").read_text()
    for name, samples in (("a", 1), ("b", 320)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(samples), 16000)
        lines = f"{name} {tmp_path}/{name}.wav\n{lines}"
    (tmp_path / "wav.scp").write_text(lines)
    words = ["--wav_scp", str(tmp_path / "wav.scp")]
    words += ["--models", f"{tmp_path}={config}={model_file}"]
    if not alone:
        main(words)
        assert json.loads((tmp_path / "measure.json").read_text())["rtf"] > 0
        return
    with pytest.raises(SystemExit):
        main(words)
    error = capsys.readouterr().err
    assert "all 2 utterances are too short for it, the longest has 320" in error
