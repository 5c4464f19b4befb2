"""How many frames an encoder makes of an utterance, by asking the encoder itself."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import torch
from torch import nn

from espnet_tutornet.layers.threads import one_thread
from espnet_tutornet.student.untrained import build_untrained, quietly

# Feature frames of a step. Divisible by every usual subsampling (1 to 6, 8, 12, 16), so
# that two lengths, a step apart, differ by a whole number of the encoder's frames.
STEP = 240
HOP = 160  # samples; of frontends that do not tell theirs


@dataclass(frozen=True)
class FrameShift:
    """What tells the number of an encoder's frames: samples // shift - lost, or more.

    Attributes:
        samples: audio samples for each output frame, 640 for hop 160 and conv2d.
        lost: frames fewer than that: 1 for conv2d, 3 for conv2d1; -1 for an encoder
            that pads its audio and makes one more.
        config: the configuration that it is of.
    """

    samples: int
    lost: int
    config: Path

    def describe(self, fs: int) -> str:
        """Name the shift in ms, and where it comes from.

        Example:
            >>> FrameShift(640, 1, Path("conf/train_student.yaml")).describe(16000)
            'frames of 40 ms, as of conf/train_student.yaml'
        """
        return f"frames of {1000 * self.samples / fs:g} ms, as of {self.config}"


def largest_frame_shift(configs: Iterable[Path], fs: int) -> FrameShift:
    """Return the frame shift of the configuration whose frames are the fewest.

    Args:
        configs: training configurations, with gaps or without.
        fs: sampling rate in Hz.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: a configuration cannot be built, or takes no audio.
    """
    shifts = [measure_frame_shift(path, fs) for path in dict.fromkeys(configs)]
    return max(shifts, key=lambda shift: (shift.samples, shift.lost))


def measure_frame_shift(config: Path, fs: int) -> FrameShift:
    """Build a configuration's model, and let it count its frames.

    Args:
        config: a training configuration.
        fs: sampling rate in Hz.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be built, or takes no audio.
    """
    with one_thread():
        return _measure(Path(config), fs)


def _measure(config: Path, fs: int) -> FrameShift:
    model = build_untrained(config, fs)
    if model.frontend is None and not getattr(model, "is_encoder_whisper", False):
        raise ValueError(
            f"{config}: takes features (frontend is null), expected audio. Give it a "
            "frontend."
        )
    step = STEP * getattr(model.frontend, "hop_length", HOP)  # samples
    first, second = (count_frames(model, count * step) for count in (1, 2))
    if second <= first:
        raise ValueError(
            f"{config}: made {first} frames of {step} samples and {second} of twice as "
            "many, expected more of more audio. Give another configuration."
        )
    samples = math.ceil(step / (second - first))
    return FrameShift(samples, step // samples - first, config)


@torch.no_grad()
def count_frames(model: nn.Module, num_samples: int) -> int:
    """Count the frames that an ESPnet model in eval mode makes of so many samples."""
    silence = torch.zeros(1, num_samples)
    with quietly():
        _, lens = model.encode(silence, torch.tensor([num_samples]))
    return int(lens)
