"""Add noise to audio, to test recognisers with."""

import hashlib
import math
from functools import partial
from pathlib import Path
from typing import List, Sequence, Tuple, Union

import numpy as np

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.derive import derive_all, derive_utterance

MOST_DB = 100  # 16 bits hold 96; 10 ** 400 or its inverse is no float64


def parse_range(noise_db: str) -> Tuple[float, float]:
    """Read the signal-to-noise ratios ``"<least> <most>"``, in dB.

    Raises:
        ValueError: these are not two numbers in order, of 100 dB at most.

    Example:
        >>> parse_range("0 10")
        (0.0, 10.0)
    """
    try:
        low, high = map(float, noise_db.split())
    except ValueError:
        low, high = math.nan, math.nan
    if not -MOST_DB <= low <= high <= MOST_DB:
        raise ValueError(
            f"noise_db must be two numbers in [-{MOST_DB}, {MOST_DB}], least first, "
            f'such as "0 10", got {noise_db!r}.'
        )
    return low, high


def make_pink_noise(num_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Draw Gaussian noise whose power falls with frequency, as 1 / f.

    Args:
        num_samples: length S; power below the frequency of two periods is left out.
        generator: of random numbers.

    Returns:
        (S,) float64 of any power.
    """
    spectrum = np.fft.rfft(generator.standard_normal(num_samples))
    frequencies = np.arange(len(spectrum))
    spectrum /= np.sqrt(np.maximum(frequencies, 1))
    return np.fft.irfft(np.where(frequencies > 1, spectrum, 0), num_samples)


def add_noise(
    samples: np.ndarray, snr_db: float, generator: np.random.Generator
) -> np.ndarray:
    """Add pink noise at a signal-to-noise ratio over the whole utterance.

    Where the sum would clip, signal and noise become softer alike.

    Args:
        samples: (S,) in [-1, 1].
        snr_db: signal-to-noise ratio in dB.
        generator: of random numbers.

    Returns:
        (S,) float32; digital silence stays silence.
    """
    if len(samples) < 4:  # no frequency of the noise is left
        return samples.astype(np.float32)
    noise = make_pink_noise(len(samples), generator)
    wanted = np.mean(np.square(samples, dtype=np.float64)) / 10 ** (snr_db / 10)
    mixed = samples + noise * np.sqrt(wanted / np.mean(np.square(noise)))
    return (mixed / max(1.0, np.abs(mixed).max())).astype(np.float32)


def add_noise_to_utterance(
    utt: Utterance, range_db: Tuple[float, float], audio_dir: Union[str, Path]
) -> Utterance:
    """Write one utterance with noise; the noise is always the same for the same id.

    Args:
        utt: the original.
        range_db: its signal-to-noise ratio is drawn from this range.
        audio_dir: directory for the FLAC file, for this range alone.

    Returns:
        The utterance, of the same id.

    Raises:
        ValueError: the audio cannot be read.
    """
    digest = hashlib.sha256(utt.utt_id.encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    change = partial(
        add_noise, snr_db=generator.uniform(*range_db), generator=generator
    )
    return derive_utterance(utt, "", audio_dir, utt.num_samples, change)


def add_noise_to(
    utterances: Sequence[Utterance],
    range_db: Tuple[float, float],
    audio_dir: Union[str, Path],
    nj: int = 1,
) -> List[Utterance]:
    """Make a copy of all utterances with noise.

    Args:
        utterances: the originals.
        range_db: least and most signal-to-noise ratio in dB, drawn for each utterance.
        audio_dir: directory for the new audio; rerunning goes on where it stopped.
        nj: number of threads.

    Raises:
        ValueError: audio cannot be read, or ``nj`` is under 1.

    Example:
        >>> add_noise_to(utts, (0.0, 10.0), "data/noisy")  # doctest: +SKIP
    """
    low, high = range_db
    audio_dir = Path(audio_dir) / f"{low:g}_{high:g}_db"
    work = partial(add_noise_to_utterance, range_db=range_db, audio_dir=audio_dir)
    return derive_all(work, utterances, f"noise {low:g} to {high:g} dB", nj)
