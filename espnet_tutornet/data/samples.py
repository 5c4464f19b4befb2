"""What headers do not tell of samples: some are no numbers, some are not there."""

from pathlib import Path

import numpy as np

FLOATING = ("FLOAT", "DOUBLE")  # subtypes of soundfile; no other holds NaN or infinity
UNKNOWN_SIZE = 0x7FFF0000  # and above: written to a pipe (sox, ffmpeg)
SLACK = 64  # bytes: some writers count their header as audio


def describe_not_finite(samples: np.ndarray, fs: int) -> str:
    """Say how many samples are NaN or infinite, and where the first is.

    Args:
        samples: (S,) float32, as ESPnet computes with them.
        fs: sampling rate in Hz.

    Returns:
        A sentence, empty where all are finite.

    Example:
        >>> describe_not_finite(np.array([0.1, np.nan]), fs=8)
        '1 of 2 samples are NaN or infinite, the first at 1 (0.125 s)'
    """
    bad = np.flatnonzero(~np.isfinite(samples))
    if not len(bad):
        return ""
    return (
        f"{len(bad)} of {len(samples)} samples are NaN or infinite, the first at "
        f"{bad[0]} ({round(bad[0] / fs, 3)} s)"
    )


def describe_cut(path: Path) -> str:
    """Say how much of a WAV file is missing, by the size in its header.

    Not looked at: other formats, and files that were written to a pipe.

    Returns:
        A sentence, empty where nothing is missing.
    """
    size = path.stat().st_size
    with path.open("rb") as f:
        head = f.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return ""
        while len(chunk := f.read(8)) == 8:
            expected = int.from_bytes(chunk[4:], "little")
            if chunk[:4] != b"data":
                f.seek(expected + expected % 2, 1)  # chunks begin at even bytes
                continue
            found = size - f.tell()
            if expected >= UNKNOWN_SIZE or expected - found <= SLACK:
                return ""
            return f"is cut: its header says {expected} bytes of audio, found {found}"
    return ""
