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


def _transcribe(corpus, split, *lines):
    """Give the split so many utterances, with these transcripts."""
    chapter = corpus / split / "1/2"
    ids = [f"1-2-{n:04}" for n in range(len(lines))]
    for utt_id in ids:
        soundfile.write(chapter / f"{utt_id}.flac", np.zeros(8000), 8000)
    text = "".join(f"{utt_id} {line}\n" for utt_id, line in zip(ids, lines))
    (chapter / "1-2.trans.txt").write_text(text, encoding="utf-8")


def _texts(data, name="train_clean"):
    return [utt.text for utt in read_data_dir(data / name, needs_text=False)]


@pytest.mark.parametrize(
    "options, expected",
    [
        ("", ["Mr. Smith, (hello)!", "One"]),
        ("--text_case upper", ["MR. SMITH, (HELLO)!", "ONE"]),
        ("--cleaner tacotron", ["MISTER SMITH, HELLO!", "ONE"]),
        ("--cleaner tacotron --text_case lower", ["mister smith, hello!", "one"]),
    ],
)
def test_the_text_is_rewritten_once(corpus, options, expected):
    """Nothing of it was there: tokens of another case made every target <unk>."""
    if "tacotron" in options:
        pytest.importorskip("tacotron_cleaner")  # only with one of ESPnet's releases
    _transcribe(corpus, "train-clean", "Mr. Smith, (hello)!", "One")
    more = ["--splits", "train-clean", "--unlabelled_splits", "dev-clean"]
    data = _run(corpus, *more, *options.split())
    assert _texts(data) == expected
    assert _texts(data, "dev_clean_unlabelled") == [""]


def test_empty_options_of_the_text_change_nothing(corpus):
    data = _run(corpus, "--splits", "dev-clean", "--text_case", "", "--cleaner", "")
    assert _texts(data, "dev_clean") == ["ONE"]


def test_a_transcript_that_a_cleaner_empties_is_named(corpus, capsys):
    pytest.importorskip("tacotron_cleaner")
    _transcribe(corpus, "train-clean", "One", "()")
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--splits", "train-clean", "--cleaner", "tacotron")
    assert "1-2-0001: '()' is left empty" in capsys.readouterr().err
    assert not (corpus.parent / "data").exists()


def test_unknown_cleaners_list_the_known_ones(corpus, capsys):
    with pytest.raises(SystemExit, match="2"):
        _run(corpus, "--splits", "wide", "--cleaner", "tecotron")
    assert "jaconv" in capsys.readouterr().err


def test_a_cleaner_that_is_not_installed_is_missed_at_once(corpus, capsys, monkeypatch):
    cleaner = pytest.importorskip("espnet2.text.cleaner")
    monkeypatch.setattr(cleaner, "vietnamese_cleaners", None)
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--splits", "no-such-split", "--cleaner", "vietnamese")
    error = capsys.readouterr().err
    assert "cleaner vietnamese: Please install underthesea" in error


def test_letters_are_composed_and_the_lines_counted(corpus, capsys):
    """One line had the letter composed, another in two parts: two tokens for one."""
    _transcribe(corpus, "train-clean", "caf\u00e9", "cafe\u0301", "e\u0301")
    data = _run(corpus, "--splits", "train-clean", "dev-clean")
    assert _texts(data) == ["caf\u00e9", "caf\u00e9", "\u00e9"]
    said = "Unicode: letters of 2 of 4 transcripts are composed (NFC)\n"
    assert capsys.readouterr().out.count(said) == 1
    _run(corpus, "--splits", "dev-clean")
    assert "Unicode" not in capsys.readouterr().out


def test_a_split_that_is_named_twice_is_read_once(corpus, capsys):
    """The dev set of the mini LibriSpeech is its test set, too."""
    twice = ["dev-clean", "train-clean", "dev-clean"]
    _run(corpus, "--splits", *twice, "--unlabelled_splits", "dev-clean", "dev-clean")
    said = capsys.readouterr().out
    assert said.count("/dev_clean:") == said.count("/dev_clean_unlabelled:") == 1


def test_some_transcripts_are_hidden(corpus, capsys):
    _transcribe(corpus, "train-clean", "one", "two", "three", "four")
    few = ["--num_labelled", "2", "--labelled_split", "train-clean"]
    data = _run(corpus, "--splits", "train-clean", *few, "--text_case", "upper")
    assert _texts(data) == ["ONE", "TWO", "THREE", "FOUR"]
    assert _texts(data, "train_clean_with2") == ["ONE", "THREE"]
    assert _texts(data, "train_clean_without2") == ["", ""]
    hidden = read_data_dir(data / "train_clean_without2", needs_text=False)
    assert [utt.utt_id for utt in hidden] == ["1-2-0001", "1-2-0003"]
    said = "train_clean_without2: 2 utterances, 1 speakers, 0.001 h, without transcr"
    assert said in capsys.readouterr().out


def test_too_many_to_hide_none_is_an_error_and_nothing_is_written(corpus, capsys):
    _transcribe(corpus, "train-clean", "one", "two")
    few = ["--num_labelled", "2", "--labelled_split", "train-clean"]
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--splits", "train-clean", *few)
    assert "--num_labelled must be in [1, 1], got 2" in capsys.readouterr().err
    assert not (corpus.parent / "data").exists()


def test_what_is_no_data_directory_is_not_replaced_by_a_half(corpus, capsys):
    other = corpus.parent / "data/train_clean_with1/notes"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    few = ["--num_labelled", "1", "--labelled_split", "train-clean"]
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--splits", "train-clean", *few)
    assert "train_clean_with1: exists and holds no wav.scp" in capsys.readouterr().err
    assert [path.name for path in (corpus.parent / "data").iterdir()] == [
        "train_clean_with1"
    ]


@pytest.mark.parametrize(
    "options, message",
    [
        ("--num_labelled 2", "--num_labelled and --labelled_split go together"),
        ("--labelled_split wide", "--num_labelled and --labelled_split go together"),
        ("--num_labelled 2 --labelled_split wide", "must be one of --splits, dev-cl"),
        ("--corpus mini", "not allowed with argument --corpus_dir"),
    ],
)
def test_options_that_do_not_fit_are_refused(corpus, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        _run(corpus, "--splits", "dev-clean", *options.split())
    assert message in capsys.readouterr().err


def test_a_corpus_is_brought_by_its_name(corpus, tmp_path, capsys, monkeypatch):
    """What is there is not downloaded; its directory is that of LibriSpeech."""
    monkeypatch.chdir(tmp_path)
    corpus.rename(tmp_path / "LibriSpeech")
    (tmp_path / "LibriSpeech/train-clean-5").symlink_to("train-clean")
    (tmp_path / "LibriSpeech/dev-clean-2").symlink_to("dev-clean")
    command = ["--corpus", "mini_librispeech", "--downloads", ".", "--splits"]
    main([*command, "train-clean-5", "dev-clean-2", "dev-clean-2"])
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert names == ["dev_clean_2", "fs", "train_clean_5"]


def test_a_corpus_or_its_directory_is_needed(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--splits", "dev-clean"])
    expected = "one of the arguments --corpus_dir --corpus is required"
    assert expected in capsys.readouterr().err


def test_options_are_checked_before_a_corpus_is_brought(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/train_clean").mkdir(parents=True)
    (tmp_path / "data/train_clean/notes").write_text("mine")
    mirror = ["--url_base", "http://127.0.0.1:9"]
    with pytest.raises(SystemExit, match="1"):
        main(["--corpus", "digits", "--splits", "train-clean", *mirror])
    assert "data/train_clean: exists and holds no" in capsys.readouterr().err
    assert not (tmp_path / "downloads").exists()
