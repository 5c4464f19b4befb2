"""Change the speed of the training audio offline, as ``sox speed`` does."""

from functools import partial
from pathlib import Path
from typing import List, Sequence, Union

import numpy as np
import soxr

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.derive import derive_all, derive_utterance

SLOWEST, FASTEST = 0.5, 2.0


def parse_factors(factors: str) -> List[str]:
    """Split ``"0.9 1.0 1.1"`` and check each factor.

    Returns:
        The factors as they were written: they become part of the utterance ids.

    Raises:
        ValueError: no factor, one that is not a number in [0.5, 2.0], or one twice.
    """
    names = factors.split()
    if not names:
        raise ValueError('factors is empty, expected for example "0.9 1.0 1.1".')
    values = []
    for name in names:
        try:
            values.append(float(name))
        except ValueError:
            raise ValueError(f"factor {name!r} is not a number.") from None
        if not SLOWEST <= values[-1] <= FASTEST:
            raise ValueError(f"factor must be in [{SLOWEST}, {FASTEST}], got {name}.")
    if len(set(values)) < len(values):
        raise ValueError(f"each factor may come once, got {factors!r}.")
    return names


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play ``samples`` faster by ``factor``; the pitch changes too.

    Args:
        samples: (S,) float.
        factor: 0.9 makes the audio longer by 1 / 0.9.

    Returns:
        (round(S / factor),) of the same type.
    """
    return soxr.resample(samples, factor, 1.0)


def perturb_utterance(
    utt: Utterance, factor: str, audio_dir: Union[str, Path]
) -> Utterance:
    """Write one utterance at another speed; a finished file is kept.

    Args:
        utt: the original.
        factor: the speed as it appears in the new ids; one equal to 1 changes nothing.
        audio_dir: directory for the FLAC file.

    Returns:
        The utterance ``sp<factor>-<utt_id>`` of speaker ``sp<factor>-<speaker>``.

    Raises:
        ValueError: the audio cannot be read.
    """
    speed = float(factor)
    if speed == 1.0:
        return utt
    change = partial(change_speed, factor=speed)
    length = utt.num_samples / speed
    return derive_utterance(utt, f"sp{factor}-", audio_dir, length, change)


def perturb_speed(
    utterances: Sequence[Utterance],
    factors: Sequence[str],
    audio_dir: Union[str, Path],
    nj: int = 1,
) -> List[Utterance]:
    """Make a copy of all utterances at each speed.

    Args:
        utterances: the originals.
        factors: from ``parse_factors``.
        audio_dir: directory for the new audio; rerunning goes on where it stopped.
        nj: number of threads.

    Returns:
        The utterances of all factors.

    Raises:
        ValueError: audio cannot be read, or ``nj`` is under 1.

    Example:
        >>> perturb_speed(utts, ["0.9", "1.1"], "data/sp_audio")  # doctest: +SKIP
    """
    perturbed = []
    for factor in factors:
        work = partial(perturb_utterance, factor=factor, audio_dir=audio_dir)
        perturbed += derive_all(work, utterances, f"speed {factor}", nj)
    return perturbed
