import os

import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.perturb import change_speed, parse_factors, perturb_speed


@pytest.fixture
def utterance(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 500 * np.arange(9000) / 8000), 8000)
    return Utterance("1-2-0000", "1", str(path), 9000, "ONE")


def _peak_hz(samples, fs):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * fs / len(samples)


def test_parse_factors_keeps_them_as_written():
    assert parse_factors(" 0.9 1.0  1.10") == ["0.9", "1.0", "1.10"]


@pytest.mark.parametrize(
    "factors, match",
    [
        (" ", "factors is empty"),
        ("0.9 x", "'x' is not a number"),
        ("0.9 0", r"in \[0.5, 2.0\], got 0"),
        ("nan", r"in \[0.5, 2.0\], got nan"),
        ("2.1", r"in \[0.5, 2.0\], got 2.1"),
        ("1 1.0", "each factor may come once"),
    ],
)
def test_parse_factors_refuses(factors, match):
    with pytest.raises(ValueError, match=match):
        parse_factors(factors)


@pytest.mark.parametrize("factor, length", [(0.9, 10000), (1.125, 8000)])
def test_change_speed_changes_length_and_pitch(factor, length):
    tone = np.sin(2 * np.pi * 500 * np.arange(9000) / 8000).astype(np.float32)
    changed = change_speed(tone, factor)
    assert changed.dtype == np.float32 and len(changed) == length
    assert _peak_hz(changed, 8000) == pytest.approx(500 * factor, abs=1)


def test_perturb_speed_names_and_writes_copies(tmp_path, utterance):
    audio = tmp_path / "audio"
    slow, same, fast = perturb_speed([utterance], ["0.9", "1.0", "1.125"], audio)
    path = str(audio / "sp0.9-1-2-0000.flac")
    assert slow == Utterance("sp0.9-1-2-0000", "sp0.9-1", path, 10000, "ONE")
    assert same is utterance
    assert (fast.utt_id, fast.num_samples) == ("sp1.125-1-2-0000", 8000)
    samples, fs = soundfile.read(slow.wav)
    assert (len(samples), fs) == (10000, 8000)
    assert _peak_hz(samples, fs) == pytest.approx(450, abs=1)
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.01)
    assert len(list(audio.iterdir())) == 2


def test_finished_audio_is_kept_and_stale_audio_is_not(tmp_path, utterance):
    (slow,) = perturb_speed([utterance], ["0.9"], tmp_path / "audio")
    content, inode = open(slow.wav, "rb").read(), os.stat(slow.wav).st_ino
    assert perturb_speed([utterance], ["0.9"], tmp_path / "audio") == [slow]
    assert os.stat(slow.wav).st_ino == inode

    younger = os.stat(slow.wav).st_mtime + 10
    os.utime(utterance.wav, (younger, younger))
    perturb_speed([utterance], ["0.9"], tmp_path / "audio")
    assert os.stat(slow.wav).st_ino != inode
    assert open(slow.wav, "rb").read() == content


@pytest.mark.parametrize("broken", ["no audio", "other length"])
def test_unfinished_audio_is_made_again(tmp_path, utterance, broken):
    (slow,) = perturb_speed([utterance], ["0.9"], tmp_path / "audio")
    if broken == "no audio":
        open(slow.wav, "wb").write(b"fLaC")
    else:
        soundfile.write(slow.wav, np.zeros(9998), 8000)
    assert perturb_speed([utterance], ["0.9"], tmp_path / "audio") == [slow]
    assert np.abs(soundfile.read(slow.wav)[0]).max() > 0.4


def test_full_scale_audio_is_clipped_not_wrapped(tmp_path):
    square = np.sign(np.sin(2 * np.pi * 100 * (np.arange(8000) + 0.5) / 8000))
    soundfile.write(tmp_path / "s.wav", square, 8000)
    utt = Utterance("a", "a", str(tmp_path / "s.wav"), 8000, "A")
    (fast,) = perturb_speed([utt], ["1.1"], tmp_path / "audio")
    samples = soundfile.read(fast.wav)[0]
    loud = change_speed(square, 1.1)
    assert np.abs(loud).max() > 1.05
    np.testing.assert_allclose(samples, np.clip(loud, -1, 1), atol=1e-3)


def test_threads_give_the_same_files(tmp_path, utterance):
    many = [Utterance(f"u{i}", "u", utterance.wav, 9000, "ONE") for i in range(20)]
    one = perturb_speed(many, ["0.9", "1.1"], tmp_path / "one", nj=1)
    two = perturb_speed(many, ["0.9", "1.1"], tmp_path / "two", nj=2)
    assert [utt.utt_id for utt in one] == [utt.utt_id for utt in two]
    for a, b in zip(one, two):
        assert open(a.wav, "rb").read() == open(b.wav, "rb").read()


def test_unreadable_audio_is_named_and_others_stay(tmp_path, utterance):
    missing = Utterance("x", "x", str(tmp_path / "gone.flac"), 100, "X")
    with pytest.raises(ValueError, match="gone.flac: cannot be read"):
        perturb_speed([utterance, missing], ["0.9"], tmp_path / "audio")
    assert os.listdir(tmp_path / "audio") == ["sp0.9-1-2-0000.flac"]


def test_samples_that_are_no_numbers_are_named(tmp_path):
    """It failed with an AssertionError of soundfile, without a name."""
    samples = np.zeros(9000)
    samples[4000:4003] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 8000, subtype="FLOAT")
    utt = Utterance("a", "a", str(tmp_path / "nan.wav"), 9000, "A")
    match = (
        r"nan.wav: 3 of 9000 samples are NaN or infinite, the first at 4000 \(0.5 s\)"
    )
    with pytest.raises(ValueError, match=match):
        perturb_speed([utt], ["0.9"], tmp_path / "audio")
    assert not (tmp_path / "audio").exists()


def test_nj_must_be_positive(tmp_path, utterance):
    with pytest.raises(ValueError, match="nj must be at least 1, got 0"):
        perturb_speed([utterance], ["0.9"], tmp_path, nj=0)
