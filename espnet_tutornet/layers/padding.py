"""Encoders in which no utterance reads the padding that its batch brings.

ESPnet 202511 lets conformer, Branchformer and E-Branchformer blocks convolve over
padded frames, and gives padded utterances up to two frames too many after subsampling
(https://github.com/espnet/espnet/pull/6633 and /6660 mend both for 202611). So an
utterance encodes differently beside a longer one. Both releases leave VGG's
convolutions and the convolutional kinds of feed-forward layers as they are.
:func:`mask_padding` mends them from outside, by hooks: no parameter changes, nor the
name of one.
"""

from importlib.metadata import version
from typing import Iterator, Optional

import torch
from torch import Tensor, nn

from espnet_tutornet.layers.taps import first_tensor
from espnet_tutornet.losses.masking import make_pad_mask

MASKED_SINCE = 202611  # the first release that masks most of its encoders itself
LEFT_OUT = ("MultiLayeredConv1d", "Conv1dLinear")  # what it does not mask
SUBSAMPLING = ("Conv1dSubsampling", "Conv2dSubsampling")  # how such classes begin
HOOKED = "_padding_masked"  # of an encoder: it has its hooks


def espnet_masks_padding() -> bool:
    """Tell whether the installed ESPnet masks most of its encoders itself."""
    return int(version("espnet").split(".")[0]) >= MASKED_SINCE


def mask_padding(encoder: nn.Module) -> int:
    """Let an encoder read no padded frame, if it is of a kind that is known here.

    - Padded frames are zeroed before each convolution over time inside a block and
      inside VGG: there, zeros are what follows an utterance that is alone.
    - Frames after subsampling are counted from the utterance's own frames.

    What the installed ESPnet masks itself is left to it.

    Args:
        encoder: of an ESPnet model. A second call does nothing.

    Returns:
        How many layers were given a hook.

    Source:
        Where ESPnet reads padded frames: pull requests 6633 and 6660 of ESPnet.
    """
    if getattr(encoder, HOOKED, False):
        return 0
    setattr(encoder, HOOKED, True)
    hooked = 0
    for module in encoder.modules():
        name = type(module).__name__
        if name.startswith(SUBSAMPLING) and not espnet_masks_padding():
            module.register_forward_hook(_count_frames)
            hooked += 1
        elif name == "VGG2L":
            hooked += _mask_vgg(module)
    blocks = getattr(encoder, "encoders", None)
    frames = _BlockFrames()
    for block in blocks.children() if isinstance(blocks, nn.Module) else ():
        convolutions = list(_read_neighbours(block))
        if convolutions:
            block.register_forward_pre_hook(frames.enter)
        for convolution in convolutions:
            convolution.register_forward_pre_hook(frames.clear)
        hooked += len(convolutions)
    encoder.register_forward_hook(frames.leave)
    return hooked


def _read_neighbours(block: nn.Module) -> Iterator[nn.Conv1d]:
    """Find the convolutions over time that ESPnet does not mask."""
    for parent in block.modules():
        if espnet_masks_padding() and type(parent).__name__ not in LEFT_OUT:
            continue
        for child in parent.children():
            if isinstance(child, nn.Conv1d) and child.kernel_size[0] > 1:
                yield child


class _BlockFrames:
    """The valid frames that a block was called with: (B, 1, T), True where valid."""

    mask: Optional[Tensor] = None

    def enter(self, _block, inputs) -> None:
        """Take over a block's mask."""
        mask = inputs[1] if len(inputs) > 1 else None
        is_mask = isinstance(mask, Tensor) and mask.dim() == 3 and mask.size(1) == 1
        self.mask = mask.bool() if is_mask and mask.size(0) > 1 else None

    def clear(self, _convolution, inputs):
        """Zero the padded frames of what a convolution reads, (B, C, T)."""
        if self.mask is None or inputs[0].shape[::2] != self.mask.shape[::2]:
            return None  # one utterance, or chunks of a streaming encoder
        return (inputs[0].masked_fill(~self.mask, 0.0), *inputs[1:])

    def leave(self, *_) -> None:
        """Let go of the mask."""
        self.mask = None


def _count_frames(subsampling: nn.Module, inputs, output):
    """Put the right mask (B, 1, T) beside what a subsampling layer puts out."""
    x, mask = output
    if mask is None:
        return None
    frames = inputs[0].size(1)
    lens = inputs[1].sum(dim=-1).squeeze(1)  # (B, 1, T) -> (B,)
    for layer in subsampling.conv:
        if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
            kernel, stride = layer.kernel_size[0], layer.stride[0]
            frames = (frames - kernel) // stride + 1
            lens = torch.div(lens - kernel, stride, rounding_mode="floor") + 1
    size = first_tensor(x).size(1)
    prompt = size - frames  # what stands before the frames of the audio
    padding = make_pad_mask(lens.clamp_min(0) + prompt, size)
    return x, ~padding.unsqueeze(1)


def _mask_vgg(vgg: nn.Module) -> int:
    """Zero padded frames of what its convolutions read, and of what is pooled."""
    lens_of: dict = {}

    def enter(_vgg, inputs):
        x, size, lens = inputs[0], inputs[0].size(1), torch.as_tensor(inputs[1])
        lens_of["input"] = size, lens
        padding = make_pad_mask(lens.to(x.device), size)
        return (x.masked_fill(padding.unsqueeze(-1), 0.0), *inputs[1:])  # (B, T, F)

    def clear(_convolution, _inputs, output: Tensor) -> Tensor:
        size, lens = lens_of["input"]
        while size > output.size(2):  # pooled by two, odd ends kept
            size, lens = -(-size // 2), (lens + 1) // 2
        padding = make_pad_mask(lens.to(output.device), size)
        return output.masked_fill(padding[:, None, :, None], 0.0)  # (B, C, T, F)

    vgg.register_forward_pre_hook(enter)
    convolutions = [m for m in vgg.children() if isinstance(m, nn.Conv2d)]
    for convolution in convolutions:
        convolution.register_forward_hook(clear)
    return len(convolutions)
