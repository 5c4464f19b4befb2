import sys
from dataclasses import replace

import numpy as np
import pytest

from espnet_tutornet.data.mini.speech import (
    SAMPLE_RATE,
    Speaker,
    Utterance,
    load_voices,
    make_noise,
    rms,
    speak,
    tilt_spectrum,
    trim_pauses,
)

SPEAKER = Speaker("1", pitch=1.0, tempo=1.0, british=False, gain=0.0, tilt=0.0)
QUIET = Utterance("1-1-0000", "wake joan at five", SPEAKER, "pink", snr=200.0, seed=3)


@pytest.fixture(scope="module")
def voices():
    pytest.importorskip("hibari")
    return load_voices()


def decibel(ratio):
    return 20 * np.log10(ratio)


def pitch(samples):
    """Median over loud frames of the strongest lag of the autocorrelation, in Hz."""
    frames = samples[: len(samples) // 400 * 400].reshape(-1, 400).astype(float)
    frames = frames[np.std(frames, axis=1) > np.std(samples)]
    lags = np.array([np.correlate(f, f, "full")[399:] for f in frames])
    return SAMPLE_RATE / np.median(lags[:, 20:120].argmax(axis=1) + 20)


def test_speak_is_int16_and_repeats_itself(voices):
    first, second = speak(voices, QUIET), speak(voices, QUIET)
    assert first.dtype == np.int16
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != speak(voices, replace(QUIET, seed=4)).tobytes()


def test_speak_sets_level_and_gain(voices):
    louder = replace(QUIET, speaker=replace(SPEAKER, gain=4.0))
    assert decibel(rms(speak(voices, QUIET) / 32767)) == pytest.approx(-26.0, abs=0.01)
    assert decibel(rms(speak(voices, louder) / 32767)) == pytest.approx(-22.0, abs=0.01)


def test_speak_turns_down_what_would_clip(voices):
    shouting = replace(QUIET, speaker=replace(SPEAKER, gain=30.0))
    samples = speak(voices, shouting)
    assert np.abs(samples).max() == round(0.95 * 32767)


@pytest.mark.parametrize("noise", ["white", "pink", "babble"])
def test_speak_mixes_at_the_wanted_snr(voices, noise):
    clean = speak(voices, QUIET).astype(float)
    noisy = speak(voices, replace(QUIET, noise=noise, snr=10.0))
    assert decibel(rms(clean) / rms(noisy - clean)) == pytest.approx(10.0, abs=0.05)


def test_speaker_pitch_moves_the_pitch_but_not_the_length(voices):
    deep = speak(voices, replace(QUIET, speaker=replace(SPEAKER, pitch=0.75)))
    high = speak(voices, replace(QUIET, speaker=replace(SPEAKER, pitch=1.2)))
    assert pitch(high) / pitch(deep) == pytest.approx(1.2 / 0.75, rel=0.15)
    assert len(high) / len(deep) == pytest.approx(1.0, abs=0.1)


def test_speaker_tempo_shortens_and_accent_changes_the_speech(voices):
    fast = speak(voices, replace(QUIET, speaker=replace(SPEAKER, tempo=1.25)))
    assert len(fast) < 0.9 * len(speak(voices, QUIET))
    british = replace(QUIET, speaker=replace(SPEAKER, british=True))
    assert speak(voices, british).tobytes() != speak(voices, QUIET).tobytes()


def test_trim_pauses_keeps_a_tenth_of_a_second():
    speech = np.zeros(8000)
    speech[3000:5000] = 1.0
    np.testing.assert_array_equal(trim_pauses(speech), speech[2200:5800])
    np.testing.assert_array_equal(trim_pauses(speech[2900:]), speech[2900:5800])


def test_tilt_raises_the_top_against_the_bottom():
    seconds = np.arange(8000) / 8000
    low, high = np.sin(2 * np.pi * 400 * seconds), np.sin(2 * np.pi * 3600 * seconds)
    # -5 dB at 0 Hz, 5 dB at 4 kHz: -4 dB at 400 Hz, 4 dB at 3600 Hz
    assert decibel(rms(tilt_spectrum(low, 10)) / rms(low)) == pytest.approx(-4.0)
    assert decibel(rms(tilt_spectrum(high, 10)) / rms(high)) == pytest.approx(4.0)


def test_noises_have_their_spectrum_and_swell():
    made = {
        kind: make_noise(kind, 80000, np.random.default_rng(0))
        for kind in ("white", "pink", "babble")
    }
    assert [rms(noise) for noise in made.values()] == pytest.approx([1, 1, 1])
    octaves = {}
    for kind, noise in made.items():
        power = np.abs(np.fft.rfft(noise)) ** 2  # 0.1 Hz a bin
        octaves[kind] = power[10000:20000].sum() / power[20000:40000].sum()
    assert octaves["white"] == pytest.approx(0.5, rel=0.1)
    assert octaves["pink"] == pytest.approx(1.0, rel=0.1)
    swell = {k: np.std(np.std(n.reshape(-1, 400), axis=1)) for k, n in made.items()}
    assert swell["babble"] > 1.5 * swell["pink"]


def test_unknown_noise_lists_the_known_ones():
    with pytest.raises(ValueError, match="white, pink, babble, got 'rain'"):
        make_noise("rain", 10, np.random.default_rng(0))


def test_missing_hibari_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(RuntimeError, match=r"pip install 'espnet_tutornet\[mini\]'"):
        load_voices()
