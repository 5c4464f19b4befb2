import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet_tutornet.bin.format_data import main
from espnet_tutornet.data.corpora.librispeech import read_split
from espnet_tutornet.data.data_dir import read_data_dir
from espnet_tutornet.data.fingerprint import fingerprint_data
from espnet_tutornet.data.raw_dir import write_raw_dir


@pytest.fixture
def corpus(tmp_path):
    for split, fs in (("train-clean", 8000), ("dev-clean", 8000), ("wide", 16000)):
        chapter = tmp_path / "corpus" / split / "1/2"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / "1-2-0000.flac", np.zeros(fs * 36 // 10), fs)
        (chapter / "1-2.trans.txt").write_text("1-2-0000 ONE\n")
    return tmp_path / "corpus"


def _run(corpus, *options):
    """Write the raw sets of the corpus, and format those of the options."""
    out_dir = corpus.parent / "data"
    for split in ("train-clean", "dev-clean", "wide"):
        name = split.replace("-", "_")
        write_raw_dir(out_dir / "org" / name, read_split(corpus, split))
        name, mute = f"{name}_unlabelled", read_split(corpus, split, False)
        write_raw_dir(out_dir / "org" / name, mute)
    main(["--datadir", str(out_dir), *options])
    return out_dir


def _names(data):
    return sorted({path.name for path in data.iterdir()} - {"org", "audio"})


@pytest.mark.parametrize("fs", ["auto", "8000"])
def test_splits_and_rate_are_written(corpus, capsys, fs):
    data = _run(corpus, "--sets", "train_clean", "dev_clean", "--fs", fs)
    names = _names(data)
    assert names == ["dev_clean", "fs", "train_clean"]
    assert (data / "fs").read_text() == "8000\n"
    assert read_data_dir(data / "dev_clean")[0].num_samples == 28800
    expected = "train_clean: 1 utterances, 1 speakers, 0.001 h\n"
    assert expected in capsys.readouterr().out


def test_a_split_without_transcripts_gives_its_audio(corpus):
    data = _run(
        corpus, "--sets", "train_clean", "--unlabelled_sets", "dev_clean_unlabelled"
    )
    names = _names(data)
    assert names == ["dev_clean_unlabelled", "fs", "train_clean"]
    assert (data / "dev_clean_unlabelled/text").read_text() == "1-2-0000\n"
    (utt,) = read_data_dir(data / "dev_clean_unlabelled", needs_text=False)
    assert (utt.text, utt.num_samples, utt.speaker) == ("", 28800, "1")


def test_one_rate_across_splits_and_nothing_is_lost(corpus, capsys):
    data = _run(corpus, "--sets", "train_clean")
    before = read_data_dir(data / "train_clean")
    with pytest.raises(SystemExit) as stop:
        _run(corpus, "--sets", "train_clean", "wide")
    assert stop.value.code == 1
    assert "sampling rate 16000 Hz, expected 8000 Hz" in capsys.readouterr().err
    assert _names(data) == ["fs", "train_clean"]
    assert read_data_dir(data / "train_clean") == before


def test_audio_with_a_nan_is_named_and_nothing_is_written(corpus, capsys):
    """It was taken over, and made the statistics NaN."""
    chapter = corpus / "dev-clean/1/2"
    (chapter / "1-2-0000.flac").unlink()
    samples = np.where(np.arange(8000) == 4000, np.nan, 0.1)
    soundfile.write(chapter / "1-2-0000.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "train_clean", "dev_clean")
    found = "1 of 8000 samples are NaN or infinite, the first at 4000 (0.5 s)"
    assert f"{chapter}/1-2-0000.wav: {found}" in capsys.readouterr().err
    assert _names(corpus.parent / "data") == []


@pytest.mark.parametrize("fs", ["8k", "0", "-1"])
def test_bad_rate_is_refused(corpus, capsys, fs):
    with pytest.raises(SystemExit, match="2"):
        _run(corpus, "--sets", "wide", f"--fs={fs}")
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
    more = ["--sets", "train_clean", "--unlabelled_sets", "dev_clean_unlabelled"]
    data = _run(corpus, *more, *options.split())
    assert _texts(data) == expected
    assert _texts(data, "dev_clean_unlabelled") == [""]


def test_empty_options_of_the_text_change_nothing(corpus):
    data = _run(corpus, "--sets", "dev_clean", "--text_case", "", "--cleaner", "")
    assert _texts(data, "dev_clean") == ["ONE"]


def test_a_transcript_that_a_cleaner_empties_is_named(corpus, capsys):
    pytest.importorskip("tacotron_cleaner")
    _transcribe(corpus, "train-clean", "One", "()")
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "train_clean", "--cleaner", "tacotron")
    assert "1-2-0001: '()' is left empty" in capsys.readouterr().err
    assert _names(corpus.parent / "data") == []


def test_unknown_cleaners_list_the_known_ones(corpus, capsys):
    with pytest.raises(SystemExit, match="2"):
        _run(corpus, "--sets", "wide", "--cleaner", "tecotron")
    assert "jaconv" in capsys.readouterr().err


def test_a_cleaner_that_is_not_installed_is_missed_at_once(corpus, capsys, monkeypatch):
    cleaner = pytest.importorskip("espnet2.text.cleaner")
    monkeypatch.setattr(cleaner, "vietnamese_cleaners", None)
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "no_such_set", "--cleaner", "vietnamese")
    error = capsys.readouterr().err
    assert "cleaner vietnamese: Please install underthesea" in error


def test_letters_are_composed_and_the_lines_counted(corpus, capsys):
    """One line had the letter composed, another in two parts: two tokens for one."""
    _transcribe(corpus, "train-clean", "caf\u00e9", "cafe\u0301", "e\u0301")
    data = _run(corpus, "--sets", "train_clean", "dev_clean")
    assert _texts(data) == ["caf\u00e9", "caf\u00e9", "\u00e9"]
    said = "Unicode: letters of 2 of 4 transcripts are composed (NFC)\n"
    assert capsys.readouterr().out.count(said) == 1
    _run(corpus, "--sets", "dev_clean")
    assert "Unicode" not in capsys.readouterr().out


def test_some_transcripts_are_hidden(corpus, capsys):
    _transcribe(corpus, "train-clean", "one", "two", "three", "four")
    few = ["--num_labelled", "2", "--labelled_set", "train_clean"]
    data = _run(corpus, "--sets", "train_clean", *few, "--text_case", "upper")
    assert _texts(data) == ["ONE", "TWO", "THREE", "FOUR"]
    assert _texts(data, "train_clean_with2") == ["ONE", "THREE"]
    assert _texts(data, "train_clean_without2") == ["", ""]
    hidden = read_data_dir(data / "train_clean_without2", needs_text=False)
    assert [utt.utt_id for utt in hidden] == ["1-2-0001", "1-2-0003"]
    said = "train_clean_without2: 2 utterances, 1 speakers, 0.001 h, without transcr"
    assert said in capsys.readouterr().out


def test_too_many_to_hide_none_is_an_error_and_nothing_is_written(corpus, capsys):
    _transcribe(corpus, "train-clean", "one", "two")
    few = ["--num_labelled", "2", "--labelled_set", "train_clean"]
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "train_clean", *few)
    assert "--num_labelled must be in [1, 1], got 2" in capsys.readouterr().err
    assert _names(corpus.parent / "data") == []


def test_what_is_no_data_directory_is_not_replaced_by_a_half(corpus, capsys):
    other = corpus.parent / "data/train_clean_with1/notes"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    few = ["--num_labelled", "1", "--labelled_set", "train_clean"]
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "train_clean", *few)
    assert "train_clean_with1: exists and holds no wav.scp" in capsys.readouterr().err
    assert _names(corpus.parent / "data") == ["train_clean_with1"]


@pytest.mark.parametrize(
    "options, message",
    [
        ("--num_labelled 2", "--num_labelled and --labelled_set go together"),
        ("--labelled_set wide", "--num_labelled and --labelled_set go together"),
        ("--num_labelled 2 --labelled_set wide", "must be one of --sets, dev_cl"),
    ],
)
def test_options_that_do_not_fit_are_refused(corpus, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        _run(corpus, "--sets", "dev_clean", *options.split())
    assert message in capsys.readouterr().err


def test_a_rate_that_is_given_resamples_all_sets(corpus):
    data = _run(corpus, "--sets", "train_clean", "wide", "--fs", "16000")
    (utt,) = read_data_dir(data / "train_clean")
    assert utt.num_samples == soundfile.info(utt.wav).frames == 57600
    assert (data / "fs").read_text() == "16000\n"
    assert read_data_dir(data / "wide")[0].wav.startswith(str(corpus))


def test_formatting_twice_gives_the_same_files(corpus):
    def contents():
        return {
            str(path): path.read_bytes()
            for path in data.rglob("*")
            if path.is_file() and "org" not in path.parts
        }

    data = _run(corpus, "--sets", "train_clean", "wide", "--fs", "16000")
    before = contents()
    assert len(before) == 16
    _run(corpus, "--sets", "train_clean", "wide", "--fs", "16000")
    assert contents() == before
    assert set(fingerprint_data(data)) == {"train_clean", "wide"}


def test_what_a_recipe_s_own_script_writes_is_formatted(tmp_path, capsys):
    """As the local/data.sh of any recipe of ESPnet's does."""
    soundfile.write(tmp_path / "r.wav", np.ones((8000, 2)) / 2, 8000)
    folder = tmp_path / "data/train"

    def write():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "wav.scp").write_text(f"r cat {tmp_path}/r.wav |\n")
        (folder / "segments").write_text("b r 0.5 1\na r 0 0.25\n")
        (folder / "text").write_text("b two\na one\n")
        (folder / "utt2spk").write_text("b s\na s\n")

    command = ["--datadir", str(tmp_path / "data"), "--sets", "train"]
    for _ in range(2):
        write()
        main([*command, "--text_case", "upper"])
        utts = read_data_dir(folder)
        assert [(u.utt_id, u.num_samples, u.text) for u in utts] == [
            ("a", 2000, "ONE"),
            ("b", 4000, "TWO"),
        ]
        assert not (folder / "segments").exists()
        assert (tmp_path / "data/org/train/segments").exists()
    assert capsys.readouterr().out.count("wrote 2 utterances") == 1
    assert json.loads((folder / "formatted.json").read_text())["segments"] == ""


def test_a_name_that_no_set_can_have_is_refused(corpus, capsys):
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "audio")
    assert "audio: expected the name of a set" in capsys.readouterr().err


def test_symbols_stay_as_they_are(corpus):
    _transcribe(corpus, "train-clean", "one <Noise> two<laugh>", "<laugh-2>")
    symbols = corpus.parent / "symbols.txt"
    symbols.write_text("<Noise>\n<laugh>\n<laugh-2>\n")
    words = ["--text_case", "upper", "--non_linguistic_symbols", str(symbols)]
    data = _run(corpus, "--sets", "train_clean", *words)
    assert _texts(data) == ["ONE <Noise> TWO<laugh>", "<laugh-2>"]


def test_killed_while_it_writes_it_goes_on(corpus, tmp_path):
    """Nothing is lost, nothing is half written."""
    _transcribe(corpus, "train-clean", *["one"] * 30)
    data = tmp_path / "data"
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import os, sys\n"
        "from espnet_tutornet.bin.format_data import main\n"
        "from espnet_tutornet.data import formatting\n"
        "plain, done = formatting.convert, []\n"
        "def convert(*args):\n"
        "    if len(done) == 11:\n"
        "        os.kill(os.getpid(), 9)\n"
        "    done.append(plain(*args))\n"
        "    return done[-1]\n"
        "formatting.convert = convert\n"
        "main(sys.argv[1:])\n"
    )
    options = ["--sets", "train_clean", "--fs", "16000"]
    write_raw_dir(data / "org/train_clean", read_split(corpus, "train-clean"))
    command = [sys.executable, str(slow), "--datadir", str(data), *options]
    for done in (11, 22):
        assert subprocess.run(command).returncode == -9
        assert len(list((data / "audio/train_clean/16000").glob("[!.]*"))) == done
        assert not (data / "train_clean").exists()
    assert subprocess.run(command).returncode == 0
    utts = read_data_dir(data / "train_clean")
    assert [soundfile.info(utt.wav).frames for utt in utts] == [16000] * 30
    assert not [
        name for name in os.listdir(os.path.dirname(utts[0].wav)) if ".tmp" in name
    ]
