import numpy as np
import pytest
import soundfile

from espnet_tutornet.bin.prepare_data import main
from espnet_tutornet.data.data_dir import read_data_dir


@pytest.fixture
def corpus(tmp_path):
    for split, fs in (("train-clean", 8000), ("dev-clean", 8000), ("wide", 16000)):
        chapter = tmp_path / "corpus" / split / "1/2"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / "1-2-0000.flac", np.zeros(fs * 36 // 10), fs)
        (chapter / "1-2.trans.txt").write_text("1-2-0000 ONE\n")
    return tmp_path / "corpus"


def _run(corpus, *options):
    out_dir = corpus.parent / "data"
    main(["--corpus_dir", str(corpus), "--out_dir", str(out_dir), *options])
    return out_dir


@pytest.mark.parametrize("fs", ["auto", "8000"])
def test_splits_and_rate_are_written(corpus, capsys, fs):
    data = _run(corpus, "--splits", "train-clean", "dev-clean", "--fs", fs)
    names = sorted(path.name for path in data.iterdir())
    assert names == ["dev_clean", "fs", "train_clean"]
    assert (data / "fs").read_text() == "8000\n"
    assert read_data_dir(data / "dev_clean")[0].num_samples == 28800
    expected = "train_clean: 1 utterances, 1 speakers, 0.001 h\n"
    assert expected in capsys.readouterr().out


def test_a_split_without_transcripts_gives_its_audio(corpus):
    trans = corpus / "dev-clean/1/2/1-2.trans.txt"
    trans.write_text("not a transcript of\nthis audio\n")
    data = _run(corpus, "--splits", "train-clean", "--unlabelled_splits", "dev-clean")
    names = sorted(path.name for path in data.iterdir())
    assert names == ["dev_clean_unlabelled", "fs", "train_clean"]
    assert (data / "dev_clean_unlabelled/text").read_text() == "1-2-0000\n"
    (utt,) = read_data_dir(data / "dev_clean_unlabelled", needs_text=False)
    assert (utt.text, utt.num_samples, utt.speaker) == ("", 28800, "1")


def test_one_rate_across_splits_and_nothing_is_lost(corpus, capsys):
    data = _run(corpus, "--splits", "train-clean")
    before = read_data_dir(data / "train_clean")
    with pytest.raises(SystemExit) as stop:
        _run(corpus, "--splits", "train-clean", "wide")
    assert stop.value.code == 1
    assert "sampling rate 16000 Hz, expected 8000 Hz" in capsys.readouterr().err
    assert sorted(path.name for path in data.iterdir()) == ["fs", "train_clean"]
    assert read_data_dir(data / "train_clean") == before


def test_audio_with_a_nan_is_named_and_nothing_is_written(corpus, capsys):
    """It was taken over, and made the statistics NaN."""
    chapter = corpus / "dev-clean/1/2"
    (chapter / "1-2-0000.flac").unlink()
    samples = np.where(np.arange(8000) == 4000, np.nan, 0.1)
    soundfile.write(chapter / "1-2-0000.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--splits", "train-clean", "dev-clean")
    found = "1 of 8000 samples are NaN or infinite, the first at 4000 (0.5 s)"
    assert f"{chapter}/1-2-0000.wav: {found}" in capsys.readouterr().err
    assert not (corpus.parent / "data").exists()


def test_unknown_split_is_one_message(corpus, capsys):
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--splits", "test")
    error = capsys.readouterr().err
    assert "no split 'test'; it has: dev-clean, train-clean, wide" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("fs", ["8k", "0", "-1"])
def test_bad_rate_is_refused(corpus, capsys, fs):
    with pytest.raises(SystemExit, match="2"):
        _run(corpus, "--splits", "wide", f"--fs={fs}")
    assert f"expected auto or a rate in Hz, for example 8000, got '{fs}'" in (
        capsys.readouterr().err
    )
