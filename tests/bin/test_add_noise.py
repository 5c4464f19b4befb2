import numpy as np
import pytest
import soundfile

from espnet_tutornet.bin.add_noise import main
from espnet_tutornet.recipe.data_dir import Utterance, read_data_dir, write_data_dir


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(scale=0.1, size=900)
    soundfile.write("a.wav", noise, 8000)
    write_data_dir("data/test", [Utterance("1-2-0000", "1", "a.wav", 900, "ONE")])
    return "data/test"


def _run(data_dir, out_dir, *options):
    main(["--data_dir", data_dir, "--out_dir", out_dir, *options])


def test_noise_is_written_beside_the_set(data_dir, capsys):
    for _ in range(2):
        _run(data_dir, "data/test_noisy", "--noise_db", "0 5")
        (utt,) = read_data_dir("data/test_noisy")
        assert utt.wav == "data/test_noisy_audio/0_5_db/1-2-0000.flac"
        assert (utt.utt_id, utt.text, utt.num_samples) == ("1-2-0000", "ONE", 900)
        assert len(soundfile.read(utt.wav)[0]) == 900
    assert "1 utterances with noise at 0 5 dB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "out_dir, noise_db, message",
    [
        ("data/test_noisy", "9", "noise_db must be two numbers"),
        ("data/test", "0 10", "out_dir must differ"),
    ],
)
def test_bad_input_keeps_what_is_there(data_dir, capsys, out_dir, noise_db, message):
    _run(data_dir, "data/test_noisy")
    before = read_data_dir("data/test"), read_data_dir("data/test_noisy")
    with pytest.raises(SystemExit, match="1"):
        _run(data_dir, out_dir, "--noise_db", noise_db)
    assert message in capsys.readouterr().err
    assert (read_data_dir("data/test"), read_data_dir("data/test_noisy")) == before
