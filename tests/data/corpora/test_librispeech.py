import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.corpora.librispeech import list_splits, read_split
from espnet_tutornet.data.data_dir import Utterance


def _audio(path, seconds=0.1, fs=8000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (int(seconds * fs), channels)
    noise = np.random.default_rng(0).normal(scale=0.1, size=shape)
    soundfile.write(path, noise, fs)


@pytest.fixture
def chapter(tmp_path):
    chapter = tmp_path / "train-clean/10/2"
    _audio(chapter / "10-2-0000.flac", 0.1)
    _audio(chapter / "10-2-0001.wav", 0.2)
    _audio(tmp_path / "train-clean/9/1/9-1-0000.ogg", 0.5)
    (chapter / "10-2.trans.txt").write_text("10-2-0000 ONE\n10-2-0001  TWO   SIX\n")
    (tmp_path / "train-clean/9/1/9-1.trans.txt").write_text("9-1-0000 THREE\n")
    return chapter


def test_read_split_gives_sorted_utterances(tmp_path, chapter):
    train = tmp_path / "train-clean"
    assert read_split(tmp_path, "train-clean") == (
        [
            Utterance("10-2-0000", "10", str(chapter / "10-2-0000.flac"), 800, "ONE"),
            Utterance("10-2-0001", "10", f"{chapter}/10-2-0001.wav", 1600, "TWO SIX"),
            Utterance("9-1-0000", "9", str(train / "9/1/9-1-0000.ogg"), 4000, "THREE"),
        ],
        8000,
    )


def test_without_transcripts_their_files_are_not_opened(tmp_path, chapter):
    (chapter / "10-2.trans.txt").write_bytes(b"\xff")
    utterances, fs = read_split(tmp_path, "train-clean", needs_text=False)
    assert [utt.text for utt in utterances] == ["", "", ""] and fs == 8000
    with pytest.raises(ValueError, match="not UTF-8"):
        read_split(tmp_path, "train-clean")


def test_hidden_and_other_files_are_passed_over(tmp_path, chapter):
    (chapter / "._10-2-0000.flac").write_text("x")
    (chapter / "README.md").write_text("x")
    (tmp_path / ".cache").mkdir()
    assert len(read_split(tmp_path, "train-clean")[0]) == 3
    assert list_splits(tmp_path) == ["train-clean"]


def test_paths_stay_relative_when_given_so(tmp_path, chapter, monkeypatch):
    monkeypatch.chdir(tmp_path)
    utterances, _ = read_split(".", "train-clean")
    assert utterances[0].wav == "train-clean/10/2/10-2-0000.flac"


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


@pytest.mark.parametrize("fs, match", [(None, "8000"), (16000, "16000")])
def test_sampling_rates_must_agree(tmp_path, chapter, fs, match):
    _audio(chapter / "10-2-0001.wav", fs=11025)
    with pytest.raises(
        ValueError,
        match=rf"10-2-0001.wav: sampling rate 11025 Hz, expected {match} Hz. "
        "Resample .* --fs 11025",
    ):
        read_split(tmp_path, "train-clean", fs)


def test_given_sampling_rate_is_returned(tmp_path, chapter):
    assert read_split(tmp_path, "train-clean", 8000)[1] == 8000


def test_transcript_without_audio_and_audio_without_transcript(tmp_path, chapter):
    (chapter / "10-2-0001.wav").unlink()
    _audio(chapter / "10-2-0007.flac")
    with pytest.raises(ValueError, match="10-2-0001: a transcript without audio") as e:
        read_split(tmp_path, "train-clean")
    assert "10-2-0007.flac: no transcript line" in str(e.value)


def test_empty_transcript(tmp_path, chapter):
    (chapter / "10-2.trans.txt").write_text("10-2-0000 ONE\n10-2-0001 \n")
    with pytest.raises(ValueError, match="10-2.trans.txt: empty .* of 10-2-0001"):
        read_split(tmp_path, "train-clean")


def test_duplicated_ids(tmp_path, chapter):
    _audio(chapter / "10-2-0000.wav")
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
    _audio(chapter / "11-2-0000.flac")
    with pytest.raises(ValueError, match="11-2-0000.flac: .* begins with 10-2-"):
        read_split(tmp_path, "train-clean")


def test_corrupt_cut_empty_and_stereo_audio_come_in_one_error(tmp_path, chapter):
    whole = (chapter / "10-2-0000.flac").read_bytes()
    (chapter / "10-2-0000.flac").write_bytes(whole[: len(whole) * 9 // 10])
    _audio(chapter / "10-2-0001.wav", channels=2)
    ogg = tmp_path / "train-clean/9/1/9-1-0000.ogg"
    ogg.write_bytes(b"no audio")
    _audio(ogg.with_name("9-1-0001.wav"), seconds=0)
    (ogg.parent / "9-1.trans.txt").write_text("9-1-0000 A\n9-1-0001 B\n")
    with pytest.raises(ValueError, match=r"10-2-0000.flac: cannot be read \(") as error:
        read_split(tmp_path, "train-clean")
    assert "10-2-0001.wav: 2 channels, expected 1" in str(error.value)
    assert "9-1-0000.ogg: cannot be read (Error opening" in str(error.value)
    assert "9-1-0001.wav: holds no samples" in str(error.value)


def test_at_most_five_files_are_named(tmp_path, chapter):
    lines = [f"10-2-00{i}" for i in range(10, 18)]
    for name in lines:
        (chapter / f"{name}.flac").write_bytes(b"")
    transcript = "".join(f"{name} A\n" for name in lines)
    (chapter / "10-2b.trans.txt").write_text(transcript)
    with pytest.raises(ValueError, match="and 3 more$") as error:
        read_split(tmp_path, "train-clean")
    assert str(error.value).count("cannot be read") == 5


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_no_numbers_are_named(tmp_path, chapter, subtype, value):
    """One of them made all statistics NaN, and every loss after them."""
    samples = np.zeros(1600)
    samples[[200, 1599]] = value
    soundfile.write(chapter / "10-2-0001.wav", samples, 8000, subtype=subtype)
    with pytest.raises(ValueError, match="audio that cannot be used") as error:
        read_split(tmp_path, "train-clean")
    assert (
        "10-2-0001.wav: 2 of 1600 samples are NaN or infinite, the first at 200 "
        "(0.025 s). Convert the original again, or remove the file"
    ) in str(error.value)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "PCM_16"])
def test_sound_samples_pass_and_those_of_integers_are_not_read(
    tmp_path, chapter, subtype, monkeypatch
):
    soundfile.write(chapter / "10-2-0001.wav", np.ones(1600), 8000, subtype=subtype)
    read = []
    monkeypatch.setattr(
        soundfile.SoundFile,
        "read",
        lambda self, *args, **kwargs: read.append(self.name) or np.zeros(3),
    )
    assert len(read_split(tmp_path, "train-clean")[0]) == 3
    floating = [str(chapter / "10-2-0001.wav")] if subtype != "PCM_16" else []
    assert read == floating


def test_a_wav_that_is_cut_is_named_with_both_sizes(tmp_path, chapter):
    """Half of the audio was taken with the whole transcript."""
    path = chapter / "10-2-0001.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="audio that cannot be used") as error:
        read_split(tmp_path, "train-clean")
    found = len(whole) // 2 - 44
    expected = f"is cut: its header says 3200 bytes of audio, found {found}"
    assert f"10-2-0001.wav: {expected}. Fetch it again" in str(error.value)


def test_wav_files_of_other_writers_pass(tmp_path, chapter):
    path = chapter / "10-2-0001.wav"
    whole = path.read_bytes()
    more = b"LIST\x05\x00\x00\x00abcde\x00"  # a chunk of odd size, padded
    at = whole.index(b"data")
    for size in (0xFFFFFFFF, 0x7FFFF000, 3200 + 44):  # piped; piped; header included
        data = b"data" + size.to_bytes(4, "little")
        path.write_bytes(whole[:at] + more + data + whole[at + 8 :])
        assert read_split(tmp_path, "train-clean")[0][1].num_samples == 1600
    path.write_bytes(whole + more)
    assert read_split(tmp_path, "train-clean")[0][1].num_samples == 1600


def test_a_transcript_that_nobody_sees_is_empty(tmp_path, chapter):
    """A zero width space was a transcript."""
    text = "10-2-0000 \u200b\ufeff\n10-2-0001 TWO\u200cSIX\n"
    (chapter / "10-2.trans.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="empty transcript of 10-2-0000") as error:
        read_split(tmp_path, "train-clean")
    assert "10-2-0000 (U+200B U+FEFF: nothing to see)" in str(error.value)
    assert "10-2-0001" not in str(error.value)


@pytest.mark.parametrize("char", ["\u00a0", "\u2003", "\u200b"])
def test_an_id_with_a_space_of_any_kind_is_named(tmp_path, chapter, char):
    """A no-break space passed where no transcript had to fit."""
    (chapter / "10-2-0001.wav").rename(chapter / f"10-2-00{char}01.wav")
    with pytest.raises(ValueError, match=rf"U\+{ord(char):04X} in its name"):
        read_split(tmp_path, "train-clean", needs_text=False)


@pytest.mark.parametrize("suffix", [".m4a", ".MP3"])
def test_audio_of_a_format_that_is_not_accepted_is_named(tmp_path, chapter, suffix):
    """It was a transcript without audio, and the audio lay beside it."""
    (chapter / "10-2-0001.wav").rename(chapter / f"10-2-0001{suffix}")
    with pytest.raises(ValueError, match="10-2-0001: a transcript without") as error:
        read_split(tmp_path, "train-clean")
    expected = f"{suffix} is not accepted, but .flac, .ogg, .opus, .wav. Convert"
    assert f"10-2-0001{suffix}: {expected}" in str(error.value)


def test_opus_is_read(tmp_path, chapter):
    (chapter / "10-2-0001.wav").unlink()
    noise = np.random.default_rng(0).normal(scale=0.1, size=1600)
    path = chapter / "10-2-0001.opus"
    soundfile.write(path, noise, 8000, format="OGG", subtype="OPUS")
    assert read_split(tmp_path, "train-clean")[0][1].num_samples == 1600
    assert len(soundfile.read(path)[0]) == 1600
