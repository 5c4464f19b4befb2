import json

import pytest
import torch

from espnet_tutornet.bin.measure_models import main, real_time_factor


@pytest.fixture(scope="module")
def model_files(save_asr, tmp_path_factory):
    return save_asr(tmp_path_factory.mktemp("model"), 0)


def test_every_model_gets_its_numbers(model_files, build_asr, wav_data, tmp_path):
    config, model = model_files
    triples = [f"{tmp_path}/{name}={config}={model}" for name in ("a", "b")]
    main(["--wav_scp", str(wav_data / "wav.scp"), "--models", *triples])
    expected = sum(p.numel() for p in build_asr(0).parameters())
    for name in ("a", "b"):
        measured = json.loads((tmp_path / name / "measure.json").read_text())
        assert measured["parameters"] == expected
        assert 0 < measured["rtf"] < 100


def test_a_missing_model_is_named(model_files, wav_data, tmp_path, capsys):
    config, _ = model_files
    triple = f"{tmp_path}={config}={tmp_path}/no.pth"
    with pytest.raises(SystemExit) as ended:
        main(["--wav_scp", str(wav_data / "wav.scp"), "--models", triple])
    assert ended.value.code == 1
    assert f"{tmp_path}/no.pth" in capsys.readouterr().err
    assert not (tmp_path / "measure.json").exists()


class Clocked(torch.nn.Module):
    """Advances a clock of its own by 0.5 s for each utterance."""

    ctc = None

    def __init__(self):
        super().__init__()
        self.now, self.seen = 0.0, []

    def encode(self, speech, speech_lengths):
        self.now += 0.5
        self.seen.append(tuple(speech.shape))
        return (speech, None), speech_lengths


def test_the_warm_up_does_not_count(monkeypatch):
    model = Clocked()
    monkeypatch.setattr("time.perf_counter", lambda: model.now)
    waves = [torch.zeros(8000), torch.zeros(24000)]
    # two utterances of 0.5 s work each, on 4 s of audio
    assert real_time_factor(model, waves, fs=8000) == pytest.approx(0.25)
    assert model.seen == [(1, 8000), (1, 8000), (1, 24000)]
