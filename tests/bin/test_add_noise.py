import pytest
import soundfile

from espnet_tutornet.bin.add_noise import main
from espnet_tutornet.data.data_dir import read_data_dir


def _run(data_dir, out_dir, *options):
    main(["--data_dir", data_dir, "--out_dir", out_dir, *options])


def test_noise_is_written_beside_the_set(data_dir, capsys):
    for _ in range(2):
        _run(data_dir, "data/train_noisy", "--noise_db", "0 5")
        (utt,) = read_data_dir("data/train_noisy")
        assert utt.wav == "data/train_noisy_audio/0_5_db/1-2-0000.flac"
        assert (utt.utt_id, utt.text, utt.num_samples) == ("1-2-0000", "ONE", 900)
        assert len(soundfile.read(utt.wav)[0]) == 900
    assert "1 utterances with noise at 0 5 dB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "out_dir, noise_db, message",
    [
        ("data/train_noisy", "9", "noise_db must be two numbers"),
        ("data/train", "0 10", "out_dir must differ"),
    ],
)
def test_bad_input_keeps_what_is_there(data_dir, capsys, out_dir, noise_db, message):
    _run(data_dir, "data/train_noisy")
    before = read_data_dir("data/train"), read_data_dir("data/train_noisy")
    with pytest.raises(SystemExit, match="1"):
        _run(data_dir, out_dir, "--noise_db", noise_db)
    assert message in capsys.readouterr().err
    assert (read_data_dir("data/train"), read_data_dir("data/train_noisy")) == before
