import json

import numpy as np
import pytest
import soundfile

from espnet_tutornet.bin.prepare_data import main
from espnet_tutornet.data.corpora.kaldi import read_raw_dir


@pytest.fixture
def corpus(tmp_path):
    for split in ("train-clean", "dev-clean", "wide"):
        chapter = tmp_path / "corpus" / split / "1/2"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / "1-2-0000.flac", np.zeros(28800), 8000)
        (chapter / "1-2.trans.txt").write_text("1-2-0000 ONE\n")
    return tmp_path / "corpus"


def _run(corpus, *options):
    out_dir = corpus.parent / "data"
    main(["--corpus_dir", str(corpus), "--out_dir", str(out_dir), *options])
    return out_dir


def _names(data):
    return sorted(path.name for path in (data / "org").iterdir())


def test_raw_sets_are_written(corpus, capsys):
    data = _run(corpus, "--sets", "train_clean", "dev_clean")
    assert _names(data) == ["dev_clean", "train_clean"]
    (utt,) = read_raw_dir(data / "org/dev_clean")
    assert (utt.utt_id, utt.speaker, utt.text) == ("1-2-0000", "1", "ONE")
    assert "data/org/train_clean: 1 utterances\n" in capsys.readouterr().out


def test_a_split_without_transcripts_gives_its_audio(corpus):
    trans = corpus / "dev-clean/1/2/1-2.trans.txt"
    trans.write_text("not a transcript of\nthis audio\n")
    data = _run(corpus, "--sets", "train_clean", "--unlabelled_sets", "dev_clean")
    assert _names(data) == ["dev_clean_unlabelled", "train_clean"]
    assert (data / "org/dev_clean_unlabelled/text").read_text() == "1-2-0000\n"


def test_nothing_is_written_where_a_set_is_not_sound(corpus, capsys):
    (corpus / "dev-clean/1/2/1-2.trans.txt").write_text("1-2-0001 ONE\n")
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "train_clean", "dev_clean")
    assert "1-2-0001: a transcript without audio" in capsys.readouterr().err
    assert not (corpus.parent / "data").exists()


def test_unknown_split_is_one_message(corpus, capsys):
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "test")
    error = capsys.readouterr().err
    assert "no split 'test'; it has: dev-clean, train-clean, wide" in error
    assert "Traceback" not in error


def test_a_split_that_is_named_twice_is_read_once(corpus, capsys):
    """The dev set of the mini LibriSpeech is its test set, too."""
    twice = ["dev_clean", "train_clean", "dev_clean"]
    _run(corpus, "--sets", *twice, "--unlabelled_sets", "dev_clean", "dev_clean")
    said = capsys.readouterr().out
    assert said.count("/dev_clean:") == said.count("/dev_clean_unlabelled:") == 1


def test_a_directory_of_data_directories_is_taken_by_name(corpus, tmp_path, capsys):
    (tmp_path / "kaldi/my-train").mkdir(parents=True)
    (tmp_path / "kaldi/my-train/wav.scp").write_text("a sph2pipe a.sph |\n")
    (tmp_path / "kaldi/my-train/text").write_text("a A\n")
    words = ["--kaldi_dir", str(tmp_path / "kaldi"), "--out_dir", str(tmp_path / "d")]
    main([*words, "--sets", "my-train", "--unlabelled_sets", "my-train"])
    (utt,) = read_raw_dir(tmp_path / "d/org/my-train")
    assert utt.audio == "sph2pipe a.sph |"
    (utt,) = read_raw_dir(tmp_path / "d/org/my-train_unlabelled", needs_text=False)
    assert utt.text == ""
    with pytest.raises(SystemExit, match="1"):
        main([*words, "--sets", "my_train"])
    assert f"{tmp_path}/kaldi has: my-train." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["org/dev", "org", "audio"])
def test_a_name_that_no_set_can_have_is_refused(corpus, capsys, name):
    with pytest.raises(SystemExit, match="1"):
        _run(corpus, "--sets", "train_clean", name)
    assert f"{name}: expected the name of a set, without /" in capsys.readouterr().err
    assert not (corpus.parent / "data").exists()


def test_manifests_are_taken_by_name(corpus, tmp_path):
    audio = str(corpus / "wide/1/2/1-2-0000.flac")
    row = {"audio_filepath": audio, "text": "one", "duration": 2, "offset": 1}
    (tmp_path / "train_m.json").write_text(json.dumps(row) + "\n")
    words = ["--manifest", f"{tmp_path}/SET_m.json", "--out_dir", str(tmp_path / "d")]
    main([*words, "--sets", "train"])
    (utt,) = read_raw_dir(tmp_path / "d/org/train")
    assert (utt.text, utt.start, utt.end, utt.audio) == ("one", 1.0, 3.0, audio)


def test_a_corpus_is_brought_by_its_name(corpus, tmp_path, capsys, monkeypatch):
    """What is there is not downloaded; its directory is that of LibriSpeech."""
    monkeypatch.chdir(tmp_path)
    corpus.rename(tmp_path / "LibriSpeech")
    (tmp_path / "LibriSpeech/train-clean-5").symlink_to("train-clean")
    (tmp_path / "LibriSpeech/dev-clean-2").symlink_to("dev-clean")
    command = ["--corpus", "mini_librispeech", "--downloads", ".", "--sets"]
    main([*command, "train_clean_5", "dev_clean_2", "dev_clean_2"])
    assert _names(tmp_path / "data") == ["dev_clean_2", "train_clean_5"]


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--corpus_dir --corpus --kaldi_dir --manifest is required"),
        (["--corpus", "mini", "--kaldi_dir", "x"], "not allowed with argument --corp"),
    ],
)
def test_one_source_is_needed(capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        main(["--sets", "dev_clean", *words])
    assert message in capsys.readouterr().err


def test_options_are_checked_before_a_corpus_is_brought(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/train_clean").mkdir(parents=True)
    (tmp_path / "data/train_clean/notes").write_text("mine")
    mirror = ["--url_base", "http://127.0.0.1:9"]
    with pytest.raises(SystemExit, match="1"):
        main(["--corpus", "digits", "--sets", "train_clean", *mirror])
    assert "data/train_clean: exists and holds no" in capsys.readouterr().err
    assert not (tmp_path / "downloads").exists()
