"""Audio files of noise."""

import numpy as np
import soundfile


def write_audio(path, seconds=0.1, fs=8000, channels=1):
    """Write the same noise at each call, and the directory where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (int(seconds * fs), channels)
    noise = np.random.default_rng(0).normal(scale=0.1, size=shape)
    soundfile.write(path, noise, fs)
