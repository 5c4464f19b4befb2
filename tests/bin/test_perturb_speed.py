from pathlib import Path

import pytest
import soundfile

from espnet_tutornet.bin.perturb_speed import main
from espnet_tutornet.data.data_dir import Utterance, read_data_dir, write_data_dir


def _run(data_dir, out_dir, *options):
    main(["--data_dir", data_dir, "--out_dir", out_dir, *options])


def test_paths_are_right_after_the_directory_is_moved(data_dir):
    for _ in range(2):
        _run(data_dir, "data/train_sp", "--factors", "0.9 1.0 1.125", "--nj", "2")
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


def test_audio_without_transcripts_is_perturbed_when_asked_for(data_dir, capsys):
    utts = [Utterance("1-2-0000", "1", "a.wav", 900, "")]
    write_data_dir("data/mute", utts, needs_text=False)
    _run("data/mute", "data/mute_sp", "--factors", "0.9", "--unlabelled")
    assert Path("data/mute_sp/text").read_text() == "sp0.9-1-2-0000\n"
    with pytest.raises(SystemExit, match="1"):
        _run("data/mute", "data/mute_sp", "--factors", "0.9")
    assert "data/mute/text: empty transcripts" in capsys.readouterr().err


def test_bad_factor_keeps_the_old_directory(data_dir, capsys):
    _run(data_dir, "data/train_sp/", "--factors", "0.9")
    before = read_data_dir("data/train_sp")
    with pytest.raises(SystemExit, match="1"):
        _run(data_dir, "data/train_sp", "--factors", "0.9 9")
    assert "factor must be in [0.5, 2.0], got 9" in capsys.readouterr().err
    assert read_data_dir("data/train_sp") == before


def test_out_dir_must_be_another_and_a_data_directory(data_dir, capsys):
    with pytest.raises(SystemExit, match="1"):
        _run(data_dir, "data/../data/train")
    assert "out_dir must differ from data_dir" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        _run(data_dir, "data")
    assert "data: exists and holds no wav.scp" in capsys.readouterr().err
    assert len(read_data_dir(data_dir)) == 1
