from pathlib import Path

import pytest
import soundfile

from espnet_tutornet.bin.derive_data import main
from espnet_tutornet.data.data_dir import Utterance, read_data_dir, write_data_dir


def _run(data_dir, out_dir, *options):
    main(["--data_dir", data_dir, "--out_dir", out_dir, *options])


def test_noise_is_written_beside_the_set(data_dir, capsys):
    for _ in range(2):
        _run(data_dir, "data/train_noisy", "--noise_db", "0 5")
        (utt,) = read_data_dir("data/train_noisy")
        assert utt.wav == "data/train_noisy_audio/0_5_db/1-2-0000.flac"
        assert (utt.utt_id, utt.text, utt.num_samples) == ("1-2-0000", "ONE", 900)
        assert len(soundfile.read(utt.wav)[0]) == 900
    said = "data/train_noisy: 1 utterances with noise at 0 5 dB\n"
    assert capsys.readouterr().out == 2 * said


def test_paths_are_right_after_the_directory_is_moved(data_dir, capsys):
    for _ in range(2):
        factors = ["--speed_factors", "0.9 1.0 1.125"]
        _run(data_dir, "data/train_sp", *factors, "--nj", "2")
        utterances = read_data_dir("data/train_sp")
        assert [(utt.utt_id, utt.wav, utt.num_samples) for utt in utterances] == [
            ("1-2-0000", "a.wav", 900),
            ("sp0.9-1-2-0000", "data/train_sp_audio/sp0.9-1-2-0000.flac", 1000),
            ("sp1.125-1-2-0000", "data/train_sp_audio/sp1.125-1-2-0000.flac", 800),
        ]
        assert all(
            len(soundfile.read(utt.wav)[0]) == utt.num_samples for utt in utterances
        )
    speakers = Path("data/train_sp/spk2utt").read_text().split("\n")[1]
    assert speakers == "sp0.9-1 sp0.9-1-2-0000"
    said = "data/train_sp: 3 utterances at speeds 0.9 1.0 1.125\n"
    assert capsys.readouterr().out == 2 * said


@pytest.mark.parametrize(
    "options, utt_id",
    [
        (["--speed_factors", "0.9"], "sp0.9-1-2-0000"),
        (["--noise_db", "9 9"], "1-2-0000"),
    ],
)
def test_audio_without_transcripts_is_taken_when_asked_for(
    data_dir, capsys, options, utt_id
):
    utts = [Utterance("1-2-0000", "1", "a.wav", 900, "")]
    write_data_dir("data/mute", utts, needs_text=False)
    _run("data/mute", "data/mute_new", *options, "--unlabelled")
    assert Path("data/mute_new/text").read_text() == f"{utt_id}\n"
    with pytest.raises(SystemExit, match="1"):
        _run("data/mute", "data/mute_new", *options)
    assert "data/mute/text: empty transcripts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "out_dir, options, message",
    [
        ("data/new", ["--noise_db", "9"], "noise_db must be two numbers"),
        ("data/new", ["--speed_factors", "0.9 9"], "must be in [0.5, 2.0], got 9"),
        ("data/new", ["--speed_factors", "0.9", "--nj", "0"], "nj must be at least 1"),
        ("data/../data/train", ["--noise_db", "0 10"], "out_dir must differ from"),
        ("data", ["--speed_factors", "0.9"], "data: exists and holds no wav.scp"),
    ],
)
def test_bad_input_keeps_what_is_there(data_dir, capsys, out_dir, options, message):
    _run(data_dir, "data/new/", "--speed_factors", "1.1")
    before = read_data_dir("data/train"), read_data_dir("data/new")
    with pytest.raises(SystemExit, match="1"):
        _run(data_dir, out_dir, *options)
    assert message in capsys.readouterr().err
    assert (read_data_dir("data/train"), read_data_dir("data/new")) == before
    assert not Path("data_audio").exists()  # nothing was begun


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "one of the arguments --noise_db --speed_factors is required"),
        (["--noise_db", "0 9", "--speed_factors", "1.1"], "not allowed with argument"),
    ],
)
def test_one_change_at_a_time(data_dir, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        _run(data_dir, "data/new", *options)
    assert message in capsys.readouterr().err
