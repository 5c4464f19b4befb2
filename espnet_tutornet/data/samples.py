"""Samples that are no numbers: audio of floating point can hold them."""

import numpy as np

FLOATING = ("FLOAT", "DOUBLE")  # subtypes of soundfile; no other holds NaN or infinity


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
