"""Which frames of a padded batch are valid, and encoders that keep to these."""

from typing import Optional, Tuple

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.encoder.linear_encoder import TooShortUttError
from espnet2.asr_transducer.utils import TooShortUttError as TransducerTooShort
from torch import Tensor

TOO_SHORT = (TooShortUttError, TransducerTooShort)  # what encoders of ESPnet raise


class Frames:
    """Which frames of a padded batch are valid.

    Attributes:
        lens: (B,), on the device of the batch.
        host_lens: the same on the CPU, where packing and counting want them.
        size: T, the length of the longest.
        count: valid frames of the whole batch.
        pad_mask: (B, T) bool, True = padding; None where nothing is padded.
    """

    def __init__(self, lens: Tensor, host_lens: Tensor):
        self.lens = lens
        self.host_lens = host_lens
        self.size = int(host_lens.max())
        self.count = int(host_lens.sum())
        self.pad_mask = None
        if self.count < self.size * len(host_lens):
            index = torch.arange(self.size, device=lens.device)
            self.pad_mask = index >= lens.unsqueeze(1)

    def strided(self, stride: int) -> "Frames":
        """Return the frames after a convolution with "same" padding: ceil(T / stride).

        Example:
            >>> lens = torch.tensor([5, 2])
            >>> Frames(lens, lens).strided(2).lens
            tensor([3, 1])
        """
        if stride == 1:
            return self
        lens = (self.lens + stride - 1) // stride
        return Frames(lens, (self.host_lens + stride - 1) // stride)

    def padding(self, x: Tensor) -> Tensor:
        """Return 1.0 in padding and 0.0 elsewhere, in the shape and type of ``x``.

        A product is five times as fast as masked_fill on a CPU. It would keep NaN and
        inf; what comes out of a layer has none in the padding alone.

        Args:
            x: (B, C, T) or (B, C, T, F).
        """
        ones = (1,) * (x.dim() - 3)
        return self.pad_mask.view(x.size(0), 1, self.size, *ones).to(x.dtype)


def enter(xs_pad: Tensor, ilens: Tensor) -> Tuple[Tensor, Frames]:
    """Return an encoder's input, its padding zeroed, and its frames.

    "Same" padding makes a frame of anything: only an utterance without a single one is
    too short, at any stride.

    Args:
        xs_pad: (B, T, D); the padding may hold anything, NaN and inf too.
        ilens: (B,), frames.

    Raises:
        TooShortUttError: an utterance has no frame. ESPnet's inference skips it then.
    """
    host_lens = ilens.cpu()
    if int(host_lens.min()) < 1:
        raise TooShortUttError(
            f"an utterance has no feature frames (lengths {host_lens.tolist()}), "
            "expected 1 or more. Leave it out: --min_wav_duration of run.sh does.",
            int(host_lens.min()),
            1,
        )
    frames = Frames(ilens, host_lens)
    return clear_padding(xs_pad[:, : frames.size], frames), frames


def clear_padding(x: Tensor, frames: Frames) -> Tensor:
    """Return (B, T, D) with zeros in its padding, whatever it holds.

    Encoders end with it, as ESPnet's recurrent ones do: the CTC error rate that ESPnet
    logs reads the padding too.
    """
    if frames.pad_mask is None:
        return x
    return x.masked_fill(frames.pad_mask.unsqueeze(2), 0.0)


class FramesEncoder(AbsEncoder):
    """An encoder as ESPnet calls it; a subclass sets its width and encodes frames."""

    _output_size: int

    def output_size(self) -> int:
        """Return D of the output."""
        return self._output_size

    def encode(self, x: Tensor, frames: Frames) -> Tuple[Tensor, Frames]:
        """Return the output, (B, T', D), and its frames.

        Args:
            x: (B, T, F), zero in its padding; that of the output is arbitrary.
            frames: those of ``x``.
        """
        raise NotImplementedError

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Optional[Tensor] = None
    ) -> Tuple[Tensor, Tensor, None]:
        """Encode a batch, in any order of lengths.

        Args:
            xs_pad: (B, T, F) features; the padding may hold anything.
            ilens: (B,), frames.
            prev_states: not used.

        Returns:
            (B, T', D) with T' = ceil(T / product of strides), its lengths, None.

        Raises:
            TooShortUttError: an utterance has no frame.
        """
        x, frames = self.encode(*enter(xs_pad, ilens))
        return clear_padding(x, frames), frames.lens, None
