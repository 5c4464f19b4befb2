"""Change the speed of the training audio offline, as ``sox speed`` does."""

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import List, Sequence, Union

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from espnet_tutornet.recipe.data_dir import Utterance
from espnet_tutornet.recipe.files import atomic_write

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
    if float(factor) == 1.0:
        return utt
    utt_id = f"sp{factor}-{utt.utt_id}"
    path = Path(audio_dir) / f"{utt_id}.flac"
    if not _is_finished(path, utt, float(factor)):
        try:
            samples, fs = soundfile.read(utt.wav, dtype="float32")
        except soundfile.SoundFileError as error:
            raise ValueError(f"{utt.wav}: cannot be read ({error}).") from error
        encoded = io.BytesIO()
        fast = change_speed(samples, float(factor))
        soundfile.write(encoded, fast, fs, format="FLAC", subtype="PCM_16")
        with atomic_write(path, "wb") as f:
            f.write(encoded.getbuffer())
    length = soundfile.info(str(path)).frames
    return Utterance(utt_id, f"sp{factor}-{utt.speaker}", str(path), length, utt.text)


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

    Example:
        >>> perturb_speed(utterances, ["0.9", "1.0", "1.1"], "data/train_sp_audio")
    """
    if nj < 1:
        raise ValueError(f"nj must be at least 1, got {nj}.")
    perturbed = []
    for factor in factors:
        work = partial(perturb_utterance, factor=factor, audio_dir=audio_dir)
        # soxr and soundfile let go of the interpreter lock, so threads do.
        with ThreadPoolExecutor(nj) as pool:
            done = pool.map(work, utterances)
            bar = tqdm(done, f"speed {factor}", total=len(utterances), disable=None)
            try:
                perturbed += list(bar)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return perturbed


def _is_finished(path: Path, utt: Utterance, factor: float) -> bool:
    """Whether ``path`` is younger than the original and as long as it must be."""
    if not path.exists() or path.stat().st_mtime < Path(utt.wav).stat().st_mtime:
        return False
    try:
        length = soundfile.info(str(path)).frames
    except soundfile.SoundFileError:
        return False
    return abs(length - utt.num_samples / factor) <= 1
