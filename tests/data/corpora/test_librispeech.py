import numpy as np
import pytest
import soundfile
from noise_files import write_audio

from espnet_tutornet.data.corpora.librispeech import list_splits, read_split
from espnet_tutornet.data.data_dir import RawUtterance


def test_read_split_gives_sorted_utterances(tmp_path, chapter):
    train = tmp_path / "train-clean"
    expected = [
        ("10-2-0000", "10", "ONE", str(chapter / "10-2-0000.flac"), "10-2-0000"),
        ("10-2-0001", "10", "TWO SIX", f"{chapter}/10-2-0001.wav", "10-2-0001"),
        ("9-1-0000", "9", "THREE", str(train / "9/1/9-1-0000.ogg"), "9-1-0000"),
    ]
    assert read_split(tmp_path, "train-clean") == [RawUtterance(*e) for e in expected]


def test_without_transcripts_their_files_are_not_opened(tmp_path, chapter):
    (chapter / "10-2.trans.txt").write_bytes(b"\xff")
    utterances = read_split(tmp_path, "train-clean", needs_text=False)
    assert [utt.text for utt in utterances] == ["", "", ""]
    with pytest.raises(ValueError, match="not UTF-8"):
        read_split(tmp_path, "train-clean")


def test_hidden_and_other_files_are_passed_over(tmp_path, chapter):
    (chapter / "._10-2-0000.flac").write_text("x")
    (chapter / "README.md").write_text("x")
    (tmp_path / ".cache").mkdir()
    assert len(read_split(tmp_path, "train-clean")) == 3
    assert list_splits(tmp_path) == ["train-clean"]


def test_paths_stay_relative_when_given_so(tmp_path, chapter, monkeypatch):
    monkeypatch.chdir(tmp_path)
    utterances = read_split(".", "train-clean")
    assert utterances[0].audio == "train-clean/10/2/10-2-0000.flac"


def test_missing_corpus_and_split(tmp_path, chapter):
    with pytest.raises(FileNotFoundError, match="nowhere: no such corpus"):
        read_split(tmp_path / "nowhere", "train-clean")
    (tmp_path / "dev-clean").mkdir()
    with pytest.raises(
        FileNotFoundError, match="no split 'dev'; it has: dev-clean, train-clean"
    ):
        read_split(tmp_path, "dev")
    with pytest.raises(
        ValueError, match="dev-clean: no utterances, expected <speaker>"
    ):
        read_split(tmp_path, "dev-clean")


def test_transcript_without_audio_and_audio_without_transcript(tmp_path, chapter):
    (chapter / "10-2-0001.wav").unlink()
    write_audio(chapter / "10-2-0007.flac")
    with pytest.raises(ValueError, match="10-2-0001: a transcript without audio") as e:
        read_split(tmp_path, "train-clean")
    assert "10-2-0007.flac: no transcript line" in str(e.value)


def test_empty_transcript(tmp_path, chapter):
    (chapter / "10-2.trans.txt").write_text("10-2-0000 ONE\n10-2-0001 \n")
    with pytest.raises(ValueError, match="10-2.trans.txt: empty .* of 10-2-0001"):
        read_split(tmp_path, "train-clean")


def test_duplicated_ids(tmp_path, chapter):
    write_audio(chapter / "10-2-0000.wav")
    with pytest.raises(ValueError, match="10-2-0000 comes twice: .*flac, .*wav"):
        read_split(tmp_path, "train-clean")
    (chapter / "10-2-0000.wav").unlink()
    (chapter / "10-2b.trans.txt").write_text("10-2-0000 ONE\n")
    with pytest.raises(ValueError, match="10-2b.trans.txt: id 10-2-0000 comes twice"):
        read_split(tmp_path, "train-clean")
    (chapter / "10-2b.trans.txt").write_text("10-2-0005 A\n10-2-0005 B\n")
    with pytest.raises(ValueError, match="10-2b.trans.txt: id 10-2-0005 comes twice"):
        read_split(tmp_path, "train-clean")


def test_name_that_does_not_fit_its_directory(tmp_path, chapter):
    write_audio(chapter / "11-2-0000.flac")
    with pytest.raises(ValueError, match="11-2-0000.flac: .* begins with 10-2-"):
        read_split(tmp_path, "train-clean")


@pytest.mark.parametrize("suffix", [".mp3", ".opus", ".aiff", ".sph"])
def test_what_soundfile_reads_is_taken(tmp_path, chapter, suffix):
    written = {".sph": "NIST", ".opus": "OGG"}.get(suffix, suffix[1:].upper())
    subtype = "OPUS" if suffix == ".opus" else None
    path = chapter / f"10-2-0001{suffix}"
    (chapter / "10-2-0001.wav").unlink()
    soundfile.write(path, np.zeros(8000), 8000, format=written, subtype=subtype)
    found = read_split(tmp_path, "train-clean")[1]
    assert (found.utt_id, found.audio) == ("10-2-0001", str(path))
    assert soundfile.info(found.audio).samplerate == 8000
