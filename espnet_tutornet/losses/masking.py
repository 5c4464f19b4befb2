"""What all losses share: padding masks, a check and the reduction."""

import torch
from torch import Tensor


def make_pad_mask(lens: Tensor, max_len: int) -> Tensor:
    """Mark padding.

    Args:
        lens: (B,) valid frames.
        max_len: T.

    Returns:
        (B, T) bool, True on padding.

    Example:
        >>> make_pad_mask(torch.tensor([1, 2]), 2)
        tensor([[False,  True],
                [False, False]])
    """
    return torch.arange(max_len, device=lens.device) >= lens.unsqueeze(1)


def check_blank_id(blank_id: int, log_probs: Tensor) -> None:
    """Refuse a ``blank_id`` that is no token.

    Args:
        blank_id: index of ``<blank>`` in V.
        log_probs: (B, T, V).

    Raises:
        ValueError: ``blank_id`` is not in [0, V).
    """
    size = log_probs.size(-1)
    if not 0 <= blank_id < size:
        raise ValueError(
            f"blank_id must be in [0, {size}), got {blank_id}. See token_list."
        )


def frame_dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum ``a * b`` over the last axis without a temporary: (B, T, V) -> (B, T).

    ``einsum`` is a matrix product to autocast, which would lower it to half precision.
    """
    with torch.autocast(a.device.type, enabled=False):
        return torch.einsum("btv,btv->bt", a, b)


def utterance_mean(frame_loss: Tensor, pad_mask: Tensor) -> Tensor:
    """Sum over the valid frames of an utterance, then average over utterances.

    Args:
        frame_loss: (B, T); padding may hold anything, NaN included.
        pad_mask: (B, T), True on padding.

    Returns:
        Scalar, differentiable also when everything is padding (then 0).
    """
    frame_loss = frame_loss.masked_fill(pad_mask, 0.0)
    return frame_loss.sum() / frame_loss.size(0)


def zero_loss(*tensors: Tensor) -> Tensor:
    """Return a loss of zero that all of ``tensors`` are part of, whatever they hold.

    Their gradient is zero, not None. ``sum() * 0.0`` is NaN where a value is infinite,
    as the sum of many is in half precision.

    Example:
        >>> zero_loss(torch.tensor([torch.inf], requires_grad=True)).item()
        0.0
    """
    # the sum of none of the values
    return torch.stack([x.reshape(-1)[:0].float().sum() for x in tensors]).sum()
