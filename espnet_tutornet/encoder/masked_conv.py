"""Convolution and batch norm over padded batches as if nothing were padded.

Axes: B utterances, C channels, T frames, F frequencies, D width.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from espnet_tutornet.encoder.frames import Frames


def same_padding(kernel: int, dilation: int = 1) -> int:
    """Return the padding on either side that makes ceil(T / stride) frames of T.

    Raises:
        ValueError: an even kernel, which no padding centres.

    Example:
        >>> same_padding(29, dilation=2)
        28
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd and 1 or more, got {kernel}.")
    return (kernel - 1) * dilation // 2


class MaskedConv1d(nn.Conv1d):
    """Conv1d without bias and with "same" padding.

    The padding of its input must be zero, as ``enter`` and :func:`masked_relu` leave
    it; that of the output is arbitrary.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel: odd, in frames.
        stride: in frames.
        dilation: in frames.
        groups: as of nn.Conv1d.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ):
        padding = same_padding(kernel, dilation)
        where = (kernel, stride, padding, dilation, groups)
        super().__init__(in_channels, out_channels, *where, bias=False)

    def forward(self, x: Tensor, frames: Frames):
        """Convolve (B, C, T); return the output and its frames."""
        return super().forward(x), frames.strided(self.stride[0])


class MaskedConv2d(nn.Conv2d):
    """Conv2d over time and frequency, otherwise as :class:`MaskedConv1d`.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel: (frames, frequencies), both odd.
        stride: (frames, frequencies).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: tuple, stride: tuple
    ):
        padding = (same_padding(kernel[0]), same_padding(kernel[1]))
        where = (kernel, stride, padding)
        super().__init__(in_channels, out_channels, *where, bias=False)

    def forward(self, x: Tensor, frames: Frames):
        """Convolve (B, C, T, F); return the output and its frames."""
        return super().forward(x), frames.strided(self.stride[0])


class _MaskedReLU(torch.autograd.Function):
    """ReLU in place that leaves zeros in padding; their gradient is ReLU's at zero."""

    @staticmethod
    def forward(ctx, x: Tensor, padding: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x.relu_().mul_(1 - padding)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        (output,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, output, 0), None


def masked_relu(x: Tensor, frames: Frames) -> Tensor:
    """Return ReLU of ``x``, zero in its padding; overwrites ``x``.

    One trip through memory less in either direction than ReLU and a mask after it.

    Args:
        x: (B, C, T) or (B, C, T, F), no leaf and not needed by who computed it.
        frames: those of ``x``.
    """
    if frames.pad_mask is None:
        return x.relu_()
    return _MaskedReLU.apply(x, frames.padding(x))


class FillWithMean(torch.autograd.Function):
    """Overwrite the padding of ``x`` with the mean of the valid frames of its channel.

    Right where what follows does not see a constant added to a channel, as batch norm:
    the gradient that reaches a channel then sums to zero, so that the padding's share
    of it is what the valid frames lack. In place, and with that gradient written out,
    it takes half the time that PyTorch's own functions would.
    """

    @staticmethod
    def forward(ctx, x: Tensor, padding: Tensor, valid: int) -> Tensor:
        """Fill (B, C, T) or (B, C, T, F).

        Args:
            ctx: autograd's.
            x: what to fill.
            padding: 1.0 in padding, else 0.0; broadcasts to ``x``.
            valid: values a channel that are no padding.
        """
        ctx.save_for_backward(padding)
        ctx.valid = valid
        ctx.mark_dirty(x)
        x.mul_(1 - padding)
        return x.addcmul_(_channel_sum(x) / valid, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        """Take the mean of the valid frames off their gradient."""
        (padding,) = ctx.saved_tensors
        grad_x = grad * (1 - padding)
        mean = _channel_sum(grad_x) / ctx.valid
        return grad_x.addcmul_(mean, padding - 1), None, None


def _channel_sum(x: Tensor) -> Tensor:
    """Return (1, C, 1, ...), summed in float32 or better."""
    others = [0, *range(2, x.dim())]
    dtype = torch.promote_types(x.dtype, torch.float32)
    return x.sum(others, keepdim=True, dtype=dtype)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch norm of (B, C, T) or (B, C, T, F) whose statistics leave padding out.

    Parameters, buffers and, where nothing is padded, values are nn.BatchNorm1d's. Over
    zeroed padding that layer would take part of the silence for speech: its mean and
    variance shrink with the share of padding, which no other batch has.

    Here the padding is filled with the mean of the valid frames. That leaves the mean,
    and shrinks the variance by their share of all frames, exactly; scale and epsilon
    undo it, so that PyTorch's own kernel does the work.

    In training the padding of the input is overwritten. That of the output is
    arbitrary. Under DDP every process takes the statistics of its own batch.
    """

    def _check_input_dim(self, input):
        assert input.dim() in (3, 4), input.shape

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """Normalise ``x``; its third axis has ``frames``."""
        if not self.training or frames.pad_mask is None:
            return super().forward(x)
        self._check_input_dim(x)
        cells = x.numel() // x.size(1)  # values a channel
        share = frames.count / frames.pad_mask.numel()
        valid = round(cells * share)
        filled_mean = torch.zeros_like(self.running_mean)
        filled_var = torch.zeros_like(self.running_var)
        output = functional.batch_norm(
            FillWithMean.apply(x, frames.padding(x), valid),
            filled_mean,  # with momentum 1, of this batch
            filled_var,
            self.weight * share**0.5,
            self.bias,
            training=True,
            momentum=1.0,
            eps=self.eps * share,
        )
        with torch.no_grad():
            self.running_mean.lerp_(filled_mean, self.momentum)
            # both unbiased: n - 1 in the denominator
            var = filled_var * ((cells - 1) / max(valid - 1, 1))
            self.running_var.lerp_(var, self.momentum)
            self.num_batches_tracked += 1
        return output
