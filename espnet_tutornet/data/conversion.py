"""Convert audio: cut an utterance, mix or pick channels, resample, write FLAC."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple, Union
from urllib.parse import quote

import numpy as np
import soundfile
import soxr

from espnet_tutornet.data.data_dir import RawUtterance
from espnet_tutornet.data.recordings import Recording
from espnet_tutornet.data.samples import FLOATING, describe_cut, describe_not_finite
from espnet_tutornet.utils.files import temporary_name

MIX = "mix"
# the header tells the length exactly, and ESPnet reads them: named as they are
KEPT = ("AIFF", "FLAC", "NIST", "OGG", "RF64", "WAV", "WAVEX")
OVERSHOOT = 0.5  # s past the end that a segment may have, as in Kaldi; cut there
WHOLE = 0.05  # s before or past the end: manifests round durations
INTEGER = ("PCM_16", "PCM_S8", "PCM_U8")  # 16 bits hold them exactly


@dataclass(frozen=True)
class Target:
    """What audio is to be.

    Attributes:
        fs: sampling rate in Hz.
        strict: whether audio of another rate is an error; it is resampled otherwise.
        channel: ``mix``, or a number from 0.
    """

    fs: int
    strict: bool = False
    channel: str = MIX


def pick_channel(
    recording: Recording, utt: RawUtterance, target: Target
) -> Optional[int]:
    """Return the channel to take, None for the mean of all.

    Raises:
        ValueError: it is not there.
    """
    wanted = target.channel
    if wanted == MIX:
        # a recording that a command has cut to one channel keeps its side by name
        wanted = utt.channel if recording.channels > 1 else "0"
    if not wanted:
        return None
    if int(wanted) >= recording.channels:
        raise ValueError(
            f"{utt.audio}: channel {wanted} is not there, expected one of "
            f"{recording.channels}, counted from 0. Give another --channel, or mix."
        )
    return int(wanted)


def find_span(recording: Recording, utt: RawUtterance) -> Tuple[int, int]:
    """Return the first sample of an utterance, and the one after its last.

    Raises:
        ValueError: it is not in the recording, or nothing is left of it.
    """
    fs, frames = recording.samplerate, recording.frames
    if frames < 1:
        raise ValueError(f"{utt.audio}: holds no samples. Fetch it again.")
    total = frames / fs
    end = total if utt.end is None else utt.end
    first, last = round(utt.start * fs), min(round(end * fs), frames)
    if end > total + OVERSHOOT or last <= first:
        raise ValueError(
            f"{utt.utt_id}: from {utt.start:g} s to {end:g} s of {utt.audio}, which "
            f"ends at {total:.3f} s. Mend the segment, or fetch the audio again."
        )
    if first == 0 and frames - last <= WHOLE * fs:
        last = frames
    return first, last


def check_rate(recording: Recording, utt: RawUtterance, target: Target) -> None:
    """Refuse another sampling rate where it is not to be resampled.

    Raises:
        ValueError: the rate is another one.
    """
    if target.strict and recording.samplerate != target.fs:
        raise ValueError(
            f"{utt.audio}: sampling rate {recording.samplerate} Hz, expected "
            f"{target.fs} Hz, that of the first file. Pass --fs {target.fs}, which "
            "resamples what has another."
        )


def examine_file(recording: Recording, utt: RawUtterance, target: Target) -> bool:
    """Check a file by its header and its end; tell whether it can stay as it is.

    Raises:
        ValueError: it is cut, has no samples, samples that are NaN or infinite,
            another sampling rate, or lacks the channel or the segment.
    """
    check_rate(recording, utt, target)
    channel = pick_channel(recording, utt, target)
    span = find_span(recording, utt)
    found = describe_cut(Path(utt.audio))
    if found:
        raise ValueError(f"{utt.audio}: {found}. Fetch it again.")
    whole = span == (0, recording.frames)
    same = recording.samplerate == target.fs and recording.channels == 1
    if not (whole and same and channel == 0 and recording.format in KEPT):
        return False
    # A FLAC file cut short has a sound header, but its end is not there.
    recording.seek(recording.frames - 1)
    if recording.subtype in FLOATING:
        recording.seek(0)
        samples = recording.read(-1, dtype="float32", always_2d=True)
        _check_finite(samples[:, 0], recording, utt)
    return True


def convert(
    recording: Recording, utt: RawUtterance, target: Target, path: Union[str, Path]
) -> Tuple[int, int]:
    """Write the audio of an utterance as FLAC of 16 bits.

    Args:
        recording: of the utterance.
        utt: tells the segment, and the channel.
        target: the form to write.
        path: file to write, which is there as a whole or not at all.

    Returns:
        Samples and bytes of what is written.

    Raises:
        ValueError: as in :func:`examine_file`.
    """
    path = Path(path)
    check_rate(recording, utt, target)
    channel = pick_channel(recording, utt, target)
    first, last = find_span(recording, utt)
    same = recording.samplerate == target.fs
    exact = same and channel is not None and recording.subtype in INTEGER
    recording.seek(first)
    samples = recording.read(
        last - first, dtype="int16" if exact else "float32", always_2d=True
    )
    if len(samples) < last - first and recording.format in KEPT:
        raise ValueError(
            f"{utt.audio}: is cut: expected {last} samples, found "
            f"{first + len(samples)}. Fetch it again."
        )
    samples = samples.mean(axis=1) if channel is None else samples[:, channel]
    if not exact:
        _check_finite(samples, recording, utt)
    if not same:
        samples = soxr.resample(samples, recording.samplerate, target.fs)
    if not len(samples):
        raise ValueError(f"{utt.utt_id}: nothing is left of {utt.audio}. Remove it.")
    encoded = io.BytesIO()  # in memory, and then one write: a third of the time
    soundfile.write(encoded, samples, target.fs, format="FLAC", subtype="PCM_16")
    temporary = temporary_name(path)
    temporary.write_bytes(encoded.getbuffer())
    temporary.replace(path)
    return len(samples), len(encoded.getbuffer())


def name_file(utt_id: str) -> str:
    """Return a file name for an id.

    Example:
        >>> name_file("a/1")
        'a%2F1.flac'
    """
    return f"{quote(utt_id, safe='+=,@ ')}.flac"


def _check_finite(samples: np.ndarray, recording: Recording, utt: RawUtterance) -> None:
    found = describe_not_finite(samples, recording.samplerate)
    if found:
        raise ValueError(
            f"{utt.audio}: {found}. Convert the original again, or remove the file."
        )
