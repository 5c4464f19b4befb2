"""One utterance of the mini corpus: synthetic speech, a disguise, noise.

A pseudo-speaker is the one voice of hibari-tts with its pitch and formants scaled
(by resampling), its tempo, its accent, its level and its spectral tilt changed.
"""

from dataclasses import dataclass
from typing import Dict

import numpy as np
import soxr

from espnet_tutornet.utils.extras import needs_extra

SAMPLE_RATE = 8000  # Hz
SPEECH_LEVEL = -26.0  # dB below full scale, RMS of the speech before the gain
_EDGE = 0.1  # s of pause kept before and after the speech
_PEAK = 0.95  # of full scale; louder utterances are turned down as a whole
NOISES = ("white", "pink", "babble")


@dataclass(frozen=True)
class Speaker:
    """What makes a pseudo-speaker.

    Args:
        name: digits, as in LibriSpeech.
        pitch: factor on pitch and formants; below 1 is a larger speaker.
        tempo: factor on the speaking rate.
        british: pronounce by British rather than American rules.
        gain: level, in dB.
        tilt: gain of the top of the band against its bottom, in dB.
    """

    name: str
    pitch: float
    tempo: float
    british: bool
    gain: float
    tilt: float


@dataclass(frozen=True)
class Utterance:
    """One thing to be said: who says what, in which noise."""

    utt_id: str
    text: str
    speaker: Speaker
    noise: str
    snr: float  # dB
    seed: int


def load_voices() -> Dict[bool, object]:
    """Load the American (False) and British (True) reading of the bundled voice.

    Raises:
        RuntimeError: hibari-tts is not installed.
    """
    with needs_extra("mini", "the voice of the mini corpus"):
        from hibari import Hibari
        from hibari.g2p import G2P
    return {british: Hibari(threads=1, g2p=G2P(british=british)) for british in (0, 1)}


def speak(voices: Dict[bool, object], utterance: Utterance) -> np.ndarray:
    """Return the samples of ``utterance``: int16 at 8 kHz, the same on every call."""
    rng = np.random.default_rng(utterance.seed)
    speaker = utterance.speaker
    # Resampling by ``pitch`` also shortens the speech by it: ask for slower speech.
    voice = voices[speaker.british](
        utterance.text, speed=speaker.tempo / speaker.pitch, seed=utterance.seed
    )
    speech = soxr.resample(voice, voice_rate(speaker), SAMPLE_RATE)
    speech = tilt_spectrum(trim_pauses(speech.astype(np.float64)), speaker.tilt)
    speech *= 10 ** ((SPEECH_LEVEL + speaker.gain) / 20) / rms(speech)
    noise = make_noise(utterance.noise, len(speech), rng)
    mixed = speech + noise * rms(speech) * 10 ** (-utterance.snr / 20)
    mixed *= min(1.0, _PEAK / np.abs(mixed).max())
    return np.round(mixed * 32767).astype(np.int16)


def voice_rate(speaker: Speaker) -> int:
    """Return the rate at which to read the voice's 24 kHz to sound as ``speaker``."""
    return round(24000 * speaker.pitch)


def rms(samples: np.ndarray) -> float:
    """Return the root mean square of ``samples``."""
    return float(np.sqrt(np.mean(np.square(samples))))


def trim_pauses(speech: np.ndarray, threshold: float = 0.01) -> np.ndarray:
    """Cut the pauses at both ends to 0.1 s.

    Args:
        speech: (S,) samples at 8 kHz.
        threshold: a pause is quieter than this part of the peak.
    """
    loud = np.flatnonzero(np.abs(speech) > threshold * np.abs(speech).max())
    edge = round(_EDGE * SAMPLE_RATE)
    return speech[max(0, loud[0] - edge) : loud[-1] + 1 + edge]


def tilt_spectrum(samples: np.ndarray, tilt: float) -> np.ndarray:
    """Raise the spectrum linearly in dB, by ``tilt`` dB from 0 Hz to 4 kHz."""
    spectrum = np.fft.rfft(samples)
    slope = np.linspace(-tilt / 2, tilt / 2, len(spectrum))
    return np.fft.irfft(spectrum * 10 ** (slope / 20), n=len(samples))


def make_noise(kind: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """Make noise with an RMS of 1.

    Args:
        kind: ``white``; ``pink`` (power falls as 1/f); ``babble`` (six pink noises,
            each swelling and fading at the rate of syllables).
        length: number of samples at 8 kHz.
        rng: source of the draws.

    Raises:
        ValueError: ``kind`` is none of these.
    """
    if kind == "white":
        noise = rng.standard_normal(length)
    elif kind == "pink":
        noise = _pink(length, rng)
    elif kind == "babble":
        noise = sum(_pink(length, rng) * _syllables(length, rng) for _ in range(6))
    else:
        raise ValueError(f"noise must be one of {', '.join(NOISES)}, got {kind!r}.")
    return noise / rms(noise)


def _pink(length: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    # Flat below 100 Hz, where a telephone hears nothing.
    hertz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 100.0)
    return np.fft.irfft(spectrum / np.sqrt(hertz), n=length)


def _syllables(length: int, rng: np.random.Generator) -> np.ndarray:
    seconds = np.arange(length) / SAMPLE_RATE
    rate, phase = rng.uniform(3.0, 6.0), rng.uniform(0.0, 2 * np.pi)
    return np.square(np.sin(np.pi * rate * seconds + phase))
