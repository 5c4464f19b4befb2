import os

import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.noise import (
    add_noise,
    add_noise_to,
    make_pink_noise,
    parse_range,
)

TONE = (0.3 * np.sin(2 * np.pi * 500 * np.arange(8000) / 8000)).astype(np.float32)


def _generator(seed=0):
    return np.random.default_rng(seed)


def _snr_db(clean, noisy):
    noise = noisy.astype(float) - clean
    return 10 * np.log10(np.sum(clean.astype(float) ** 2) / np.sum(noise**2))


@pytest.fixture
def utterance(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE, 8000)
    return Utterance("1-2-0000", "1", str(path), 8000, "ONE")


def test_parse_range_reads_two_numbers():
    assert parse_range(" -5 2.5 ") == (-5.0, 2.5)
    assert parse_range("3 3") == (3.0, 3.0)


@pytest.mark.parametrize("text", ["", "5", "10 0", "0 5 10", "a 5", "nan 5", "0 inf"])
def test_parse_range_refuses(text):
    with pytest.raises(ValueError, match="noise_db must be two numbers in"):
        parse_range(text)


@pytest.mark.parametrize("text", ["-4000 0", "0 4000", "-101 -101"])
def test_ratios_whose_power_is_no_number_are_refused(text):
    """10 ** -400 is 0 and the noise was NaN; 10 ** 400 was an OverflowError."""
    with pytest.raises(ValueError, match=r"in \[-100, 100\], least first"):
        parse_range(text)


@pytest.mark.parametrize("snr_db", [-100.0, 100.0])
def test_the_last_ratios_give_finite_samples(snr_db):
    assert parse_range(f"{snr_db} {snr_db}") == (snr_db, snr_db)
    assert np.isfinite(add_noise(TONE, snr_db, _generator())).all()


def test_pink_noise_has_as_much_power_in_each_octave():
    power = np.abs(np.fft.rfft(make_pink_noise(1 << 16, _generator()))) ** 2
    octaves = [power[1 << k : 1 << k + 1].sum() for k in range(6, 15)]
    assert max(octaves) / min(octaves) < 1.6
    assert power[0] == pytest.approx(0, abs=1e-9 * power.max())


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 25.0])
def test_add_noise_reaches_the_ratio(snr_db):
    noisy = add_noise(TONE, snr_db, _generator())
    assert noisy.dtype == np.float32 and noisy.shape == TONE.shape
    assert _snr_db(TONE, noisy) == pytest.approx(snr_db, abs=1e-3)


def test_add_noise_becomes_softer_instead_of_clipping():
    loud = (TONE / np.abs(TONE).max()).astype(np.float32)
    noisy = add_noise(loud, 0.0, _generator())
    assert np.abs(noisy).max() == pytest.approx(1.0)
    gain = np.dot(noisy, loud) / np.dot(loud, loud)
    assert gain < 0.7
    assert _snr_db(gain * loud, noisy) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("samples", [np.zeros(50, np.float32), TONE[:0], TONE[:3]])
def test_silence_and_next_to_nothing_stay(samples):
    np.testing.assert_array_equal(add_noise(samples, 0.0, _generator()), samples)


def test_copies_keep_ids_and_draw_their_ratio(tmp_path, utterance):
    many = [Utterance(f"u{i}", "u", utterance.wav, 8000, "ONE") for i in range(40)]
    noisy = add_noise_to(many, (0.0, 10.0), tmp_path / "audio", nj=2)
    assert [utt.utt_id for utt in noisy] == [utt.utt_id for utt in many]
    assert {utt.text for utt in noisy} == {"ONE"} and {u.speaker for u in noisy} == {
        "u"
    }
    ratios = [_snr_db(TONE, soundfile.read(utt.wav)[0]) for utt in noisy]
    assert -0.1 < min(ratios) < 2 and 8 < max(ratios) < 10.1
    again = add_noise_to(many, (0.0, 10.0), tmp_path / "again", nj=1)
    for a, b in zip(noisy, again):
        assert open(a.wav, "rb").read() == open(b.wav, "rb").read()


def test_another_range_is_other_audio_and_a_finished_file_is_kept(tmp_path, utterance):
    (first,) = add_noise_to([utterance], (20.0, 20.0), tmp_path / "audio")
    inode = os.stat(first.wav).st_ino
    assert add_noise_to([utterance], (20.0, 20.0), tmp_path / "audio") == [first]
    assert os.stat(first.wav).st_ino == inode
    (second,) = add_noise_to([utterance], (5.0, 5.0), tmp_path / "audio")
    for copy, snr_db in ((first, 20), (second, 5)):
        samples = soundfile.read(copy.wav)[0]
        assert _snr_db(TONE, samples) == pytest.approx(snr_db, abs=0.05)


def test_unreadable_audio_is_named(tmp_path):
    missing = Utterance("x", "x", str(tmp_path / "gone.flac"), 100, "X")
    with pytest.raises(ValueError, match="gone.flac: cannot be read"):
        add_noise_to([missing], (0.0, 10.0), tmp_path / "audio")
