import os
import socket
import subprocess

import numpy as np
import pytest
import soundfile
from noise_files import write_audio

from espnet_tutornet.data import formatting
from espnet_tutornet.data.corpora.librispeech import AUDIO_SUFFIXES, read_split
from espnet_tutornet.data.data_dir import RawUtterance, Utterance
from espnet_tutornet.data.formatting import check_disk, format_sets


def _format(tmp_path, fs=None, channel="mix"):
    """Format the set of ``chapter``; return its utterances, and the sampling rate."""
    sets = {"train": read_split(tmp_path, "train-clean")}
    done, fs = format_sets(sets, fs, channel, tmp_path / "audio")
    return done["train"], fs


def test_what_needs_no_change_is_named_as_it_is(tmp_path, chapter):
    train = tmp_path / "train-clean"
    utterances = [
        Utterance("10-2-0000", "10", str(chapter / "10-2-0000.flac"), 800, "ONE"),
        Utterance("10-2-0001", "10", f"{chapter}/10-2-0001.wav", 1600, "TWO SIX"),
        Utterance("9-1-0000", "9", str(train / "9/1/9-1-0000.ogg"), 4000, "THREE"),
    ]
    assert _format(tmp_path) == _format(tmp_path, 8000) == (utterances, 8000)
    assert os.listdir(tmp_path / "audio/train") == ["formatted.tsv"]


def test_a_rate_that_is_given_resamples(tmp_path, chapter):
    write_audio(chapter / "10-2-0001.wav", fs=11025)
    utterances, fs = _format(tmp_path, 8000)
    assert fs == 8000 and [utt.num_samples for utt in utterances] == [800, 800, 4000]
    wavs = [utt.wav for utt in utterances]
    assert wavs[1] == f"{tmp_path}/audio/train/8000/10-2-0001.flac"
    assert [str(tmp_path / "train-clean") in wav for wav in wavs] == [True, False, True]
    info = soundfile.info(wavs[1])
    assert (info.samplerate, info.frames, info.channels) == (8000, 800, 1)


def _watch(monkeypatch):
    """Return the names of audio that is opened from here on."""
    opened = []
    plain = formatting.open_recording

    def watched(audio, *args):
        opened.append(audio.rsplit("/", 1)[-1])
        return plain(audio, *args)

    monkeypatch.setattr(formatting, "open_recording", watched)
    return opened


def test_a_second_call_opens_nowrite_audio(tmp_path, chapter, monkeypatch):
    first = _format(tmp_path, 16000)
    opened = _watch(monkeypatch)
    assert _format(tmp_path, 16000) == first and opened == []
    assert _format(tmp_path, 8000)[1] == 8000 and len(opened) == 3


def test_only_what_is_new_or_gone_or_changed_is_done(tmp_path, chapter, monkeypatch):
    utterances, _ = _format(tmp_path, 16000)
    os.remove(utterances[0].wav)
    os.truncate(utterances[2].wav, 100)
    write_audio(chapter / "10-2-0002.wav", 0.3)
    with (chapter / "10-2.trans.txt").open("a") as f:
        f.write("10-2-0002 NEW\n")
    opened = _watch(monkeypatch)
    again, _ = _format(tmp_path, 16000)
    assert sorted(set(opened)) == ["10-2-0000.flac", "10-2-0002.wav", "9-1-0000.ogg"]
    assert [utt.num_samples for utt in again] == [1600, 3200, 4800, 8000]
    write_audio(chapter / "10-2-0001.wav", 0.4)
    assert _format(tmp_path, 16000)[0][1].num_samples == 6400


def test_transcripts_are_those_of_now(tmp_path, chapter):
    _format(tmp_path)
    (chapter / "10-2.trans.txt").write_text("10-2-0000 ONE\n10-2-0001 NINE\n")
    assert _format(tmp_path)[0][1].text == "NINE"


def test_a_kill_loses_nothing_that_was_done(tmp_path, chapter, monkeypatch):
    """What is half written has another name; what is done is not done again."""
    written, gone = [], subprocess.Popen(["true"])
    gone.wait()
    half = f"{gone.pid}@{socket.gethostname()}.tmp"
    plain = formatting.convert

    def stop(recording, utt, target, path):
        if len(written) == 2:
            path.with_name(f".{path.name}.{half}").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(utt.utt_id)
        return plain(recording, utt, target, path)

    monkeypatch.setattr(formatting, "convert", stop)
    with pytest.raises(KeyboardInterrupt):
        _format(tmp_path, 16000)
    monkeypatch.setattr(formatting, "convert", plain)
    opened = _watch(monkeypatch)
    utterances, _ = _format(tmp_path, 16000)
    assert set(opened) == {"9-1-0000.ogg"}
    assert [soundfile.info(u.wav).frames for u in utterances] == [1600, 3200, 8000]
    assert len(list((tmp_path / "audio/train/16000").iterdir())) == 3


def test_the_rate_of_auto_is_strict_after_a_rate_that_was_given(tmp_path, chapter):
    write_audio(chapter / "10-2-0001.wav", fs=11025)
    _format(tmp_path, 8000)
    with pytest.raises(ValueError, match="sampling rate 11025 Hz, expected 8000 Hz"):
        _format(tmp_path)


@pytest.mark.parametrize("channel", ["mix", "1"])
def test_channels_have_directories_of_their_own(tmp_path, chapter, channel):
    for path in [*chapter.glob("*.*[cv]"), *tmp_path.glob("*/9/1/*.ogg")]:
        write_audio(path, channels=2)
    utterances, _ = _format(tmp_path, None, channel)
    folder = "8000" if channel == "mix" else "8000_1"
    assert f"/audio/train/{folder}/" in utterances[0].wav


@pytest.mark.parametrize("channel", ["left", "-1", "1.5"])
def test_a_channel_that_is_none_is_refused(tmp_path, chapter, channel):
    with pytest.raises(ValueError, match=f"mix or a number from 0, got '{channel}'"):
        _format(tmp_path, None, channel)


def _cat(path, utt_id, **values):
    return RawUtterance(utt_id, "s", "A", f"cat '{path}' |", utt_id, **values)


def test_commands_run_once_for_all_their_segments(tmp_path, chapter):
    count = tmp_path / "count"
    audio = f"echo x >> {count}; cat {chapter}/10-2-0001.wav |"
    utts = [
        RawUtterance(f"u{n}", "s", "A", audio, "r", n / 100, (n + 5) / 100)
        for n in range(10)
    ]
    done, fs = format_sets({"train": utts}, None, "mix", tmp_path / "audio", nj=2)
    assert fs == 8000 and [u.num_samples for u in done["train"]] == [400] * 10
    assert count.read_text() == "x\nx\n"  # the first time for its sampling rate
    format_sets({"train": utts}, 8000, "mix", tmp_path / "audio", nj=2)
    assert count.read_text() == "x\nx\n"


def test_commands_that_fail_are_named_and_the_others_are_kept(tmp_path, chapter):
    good = [_cat(chapter / "10-2-0001.wav", "a"), _cat(chapter / "10-2-0000.flac", "b")]
    bad = [_cat(tmp_path / f"no{n}.wav", f"c{n}") for n in range(7)]
    with pytest.raises(ValueError, match="train: audio that cannot be used") as error:
        format_sets({"train": good + bad}, None, "mix", tmp_path / "audio")
    assert "no4.wav' |: ends with status 1, expected audio; it says: cat" in str(
        error.value
    )
    assert "and 2 more" in str(error.value)
    lines = (tmp_path / "audio/train/formatted.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["b", "a"]


def test_many_that_fail_stop_the_rest(tmp_path, chapter):
    count = tmp_path / "count"
    bad = [
        RawUtterance(f"{n:03}", "s", "A", f"echo {n} >> {count}; false |", f"{n:03}")
        for n in range(60)
    ]
    with pytest.raises(ValueError, match="and 15 more"):
        format_sets({"train": bad}, 8000, "mix", tmp_path / "audio")
    assert len(count.read_text().split()) == 20


def test_lengths_that_are_told_wrong_are_named(tmp_path, chapter):
    path = str(chapter / "10-2-0001.wav")
    utts = [RawUtterance("a", "s", "A", path, "a", num_samples=1601)]
    with pytest.raises(ValueError, match="a: utt2num_samples says 1601, .* has 1600"):
        format_sets({"train": utts}, None, "mix", tmp_path / "audio")
    utts = [_cat(path, "a", num_samples=1601)]
    with pytest.raises(ValueError, match="a: utt2num_samples says 1601, .* has 1600"):
        format_sets({"train": utts}, None, "mix", tmp_path / "audio")


def test_sets_are_all_examined_before_anything_is_written(tmp_path, chapter):
    sets = {"train": read_split(tmp_path, "train-clean")}
    sets["dev"] = [RawUtterance("a", "s", "A", "/nowhere/a.wav", "a")]
    with pytest.raises(
        ValueError, match="dev: audio that .*\n  /nowhere/a.wav: cannot"
    ):
        format_sets(sets, 16000, "mix", tmp_path / "audio")
    assert not (tmp_path / "audio").exists()


def test_a_disk_that_is_too_small_is_named_with_both_sizes(tmp_path, capsys):
    with pytest.raises(RuntimeError, match="about 1000000.0 GB .* GB are free. Free s"):
        check_disk(tmp_path / "not/there", 1e15)
    check_disk(tmp_path, 2e7)
    assert capsys.readouterr().out == f"{tmp_path}: about 0.02 GB of audio to write\n"


def test_sampling_rates_must_agree_where_none_is_given(tmp_path, chapter):
    write_audio(chapter / "10-2-0001.wav", fs=11025)
    with pytest.raises(
        ValueError,
        match=r"10-2-0001.wav: sampling rate 11025 Hz, expected 8000 Hz, that of the "
        "first file. Pass --fs 8000",
    ):
        _format(tmp_path)


def test_corrupt_cut_and_empty_audio_come_in_one_error(tmp_path, chapter):
    whole = (chapter / "10-2-0000.flac").read_bytes()
    (chapter / "10-2-0000.flac").write_bytes(whole[: len(whole) * 9 // 10])
    ogg = tmp_path / "train-clean/9/1/9-1-0000.ogg"
    ogg.write_bytes(b"no audio")
    write_audio(ogg.with_name("9-1-0001.wav"), seconds=0)
    (ogg.parent / "9-1.trans.txt").write_text("9-1-0000 A\n9-1-0001 B\n")
    with pytest.raises(ValueError, match=r"10-2-0000.flac: cannot be read \(") as error:
        _format(tmp_path, 8000)
    assert "9-1-0000.ogg: cannot be read (Error opening" in str(error.value)
    assert "9-1-0001.wav: holds no samples" in str(error.value)


def test_at_most_five_files_are_named(tmp_path, chapter):
    lines = [f"10-2-00{i}" for i in range(10, 18)]
    for name in lines:
        (chapter / f"{name}.flac").write_bytes(b"")
    transcript = "".join(f"{name} A\n" for name in lines)
    (chapter / "10-2b.trans.txt").write_text(transcript)
    with pytest.raises(ValueError, match="and 3 more$") as error:
        _format(tmp_path, 8000)
    assert str(error.value).count("cannot be read") == 5


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_no_numbers_are_named(tmp_path, chapter, subtype, value):
    """One of them made all statistics NaN, and every loss after them."""
    samples = np.zeros(1600)
    samples[[200, 1599]] = value
    soundfile.write(chapter / "10-2-0001.wav", samples, 8000, subtype=subtype)
    with pytest.raises(ValueError, match="audio that cannot be used") as error:
        _format(tmp_path)
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
        lambda self, *args, **kwargs: read.append(self.name) or np.zeros((3, 1)),
    )
    assert len(_format(tmp_path)[0]) == 3
    floating = [str(chapter / "10-2-0001.wav")] if subtype != "PCM_16" else []
    assert read == floating


def test_a_wav_that_is_cut_is_named_with_both_sizes(tmp_path, chapter):
    """Half of the audio was taken with the whole transcript."""
    path = chapter / "10-2-0001.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="audio that cannot be used") as error:
        _format(tmp_path)
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
        assert _format(tmp_path)[0][1].num_samples == 1600
    path.write_bytes(whole + more)
    assert _format(tmp_path)[0][1].num_samples == 1600


def test_a_transcript_that_nobody_sees_is_empty(tmp_path, chapter):
    """A zero width space was a transcript."""
    text = "10-2-0000 \u200b\ufeff\n10-2-0001 TWO\u200cSIX\n"
    (chapter / "10-2.trans.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="empty transcript of 10-2-0000") as error:
        _format(tmp_path)
    assert "10-2-0000 (U+200B U+FEFF: nothing to see)" in str(error.value)
    assert "10-2-0001" not in str(error.value)


@pytest.mark.parametrize("char", ["\u00a0", "\u2003", "\u200b"])
def test_an_id_with_a_space_of_any_kind_is_named(tmp_path, chapter, char):
    """A no-break space passed where no transcript had to fit."""
    (chapter / "10-2-0001.wav").rename(chapter / f"10-2-00{char}01.wav")
    with pytest.raises(ValueError, match=rf"U\+{ord(char):04X} in its name"):
        read_split(tmp_path, "train-clean", needs_text=False)


@pytest.mark.parametrize("suffix", [".m4a", ".WMA"])
def test_audio_of_a_format_that_is_not_accepted_is_named(tmp_path, chapter, suffix):
    """It was a transcript without audio, and the audio lay beside it."""
    (chapter / "10-2-0001.wav").rename(chapter / f"10-2-0001{suffix}")
    with pytest.raises(ValueError, match="10-2-0001: a transcript without") as error:
        _format(tmp_path)
    expected = f"{suffix} is not accepted, but {', '.join(AUDIO_SUFFIXES)}. Convert"
    assert f"10-2-0001{suffix}: {expected}" in str(error.value)


def test_opus_is_read(tmp_path, chapter):
    (chapter / "10-2-0001.wav").unlink()
    noise = np.random.default_rng(0).normal(scale=0.1, size=1600)
    path = chapter / "10-2-0001.opus"
    soundfile.write(path, noise, 8000, format="OGG", subtype="OPUS")
    assert _format(tmp_path)[0][1].num_samples == 1600
    assert len(soundfile.read(path)[0]) == 1600


def test_mp3_is_written_as_flac_of_the_same_length(tmp_path, chapter):
    (chapter / "10-2-0001.wav").unlink()
    noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    soundfile.write(chapter / "10-2-0001.mp3", noise, 8000)
    found = _format(tmp_path)[0][1]
    assert found.wav.endswith(".flac") and found.num_samples == 16000
    assert len(soundfile.read(found.wav)[0]) == 16000
