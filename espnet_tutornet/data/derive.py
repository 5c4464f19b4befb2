"""Write changed copies of utterances, and go on where that was stopped."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, List, Sequence, Union

import numpy as np
import soundfile
from tqdm import tqdm

from espnet_tutornet.data.data_dir import (
    Utterance,
    check_replaceable,
    read_data_dir,
    write_data_dir,
)
from espnet_tutornet.data.samples import describe_not_finite
from espnet_tutornet.utils.files import atomic_write


def derive_utterance(
    utt: Utterance,
    prefix: str,
    audio_dir: Union[str, Path],
    num_samples: float,
    change: Callable[[np.ndarray], np.ndarray],
) -> Utterance:
    """Write a changed copy of one utterance; a finished file is kept.

    Args:
        utt: the original.
        prefix: put before its id and speaker.
        audio_dir: directory for the FLAC file. It has to be another one for another
            change: a file of the right length, younger than the original, is kept.
        num_samples: length of the copy, give or take one.
        change: makes the samples of the copy, float32, of those of the original.

    Returns:
        The copy, with the text of the original.

    Raises:
        ValueError: the audio cannot be read, or has samples that are NaN or infinite.
    """
    utt_id = f"{prefix}{utt.utt_id}"
    path = Path(audio_dir) / f"{utt_id}.flac"
    if not _is_finished(path, utt.wav, num_samples):
        try:
            samples, fs = soundfile.read(utt.wav, dtype="float32")
        except soundfile.SoundFileError as error:
            raise ValueError(f"{utt.wav}: cannot be read ({error}).") from error
        found = describe_not_finite(samples, fs)
        if found:
            raise ValueError(f"{utt.wav}: {found}. Convert the original again.")
        encoded = io.BytesIO()
        soundfile.write(encoded, change(samples), fs, format="FLAC", subtype="PCM_16")
        with atomic_write(path, "wb") as f:
            f.write(encoded.getbuffer())
    length = soundfile.info(str(path)).frames
    return Utterance(utt_id, f"{prefix}{utt.speaker}", str(path), length, utt.text)


def derive_all(
    work: Callable[[Utterance], Utterance],
    utterances: Sequence[Utterance],
    title: str,
    nj: int,
) -> List[Utterance]:
    """Run ``work`` on all utterances in ``nj`` threads, with a progress bar.

    Raises:
        ValueError: ``nj`` is under 1.
    """
    if nj < 1:
        raise ValueError(f"nj must be at least 1, got {nj}.")
    # soxr, NumPy and soundfile let go of the interpreter lock, so threads do.
    with ThreadPoolExecutor(nj) as pool:
        done = pool.map(work, utterances)
        try:
            return list(tqdm(done, title, total=len(utterances), disable=None))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def derive_data_dir(
    data_dir: Union[str, Path],
    out_dir: Union[str, Path],
    derive: Callable[..., List[Utterance]],
    needs_text: bool = True,
) -> List[Utterance]:
    """Write a data directory of changed copies; their audio goes beside it.

    Args:
        data_dir: directory to read.
        out_dir: directory to write.
        derive: ``derive(utterances, audio_dir=...)`` makes the copies; the directory is
            ``<out_dir>_audio``, and what is there from an earlier run is kept.
        needs_text: whether every utterance must have a transcript.

    Returns:
        The copies.

    Raises:
        ValueError: ``out_dir`` is ``data_dir``, or holds something else; or the data
            directory or its audio cannot be used.
    """
    out_dir = Path(out_dir)
    if out_dir.resolve() == Path(data_dir).resolve():
        raise ValueError(f"{out_dir}: out_dir must differ from data_dir.")
    check_replaceable(out_dir, "wav.scp")
    utterances = read_data_dir(data_dir, needs_text)
    audio_dir = out_dir.with_name(f"{out_dir.name}_audio")
    derived = derive(utterances, audio_dir=audio_dir)
    write_data_dir(out_dir, derived, needs_text=needs_text)
    return derived


def _is_finished(path: Path, original: str, num_samples: float) -> bool:
    """Whether ``path`` is younger than the original and as long as it must be."""
    if not path.exists() or path.stat().st_mtime < Path(original).stat().st_mtime:
        return False
    try:
        length = soundfile.info(str(path)).frames
    except soundfile.SoundFileError:
        return False
    return abs(length - num_samples) <= 1
