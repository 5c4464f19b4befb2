"""Blank policies of SKD: which frames the softmax term reads.

A CTC teacher says blank most of the time. Each policy is a function of the teacher
alone; a frame that it leaves out has no loss and no gradient.
"""

from dataclasses import dataclass
from typing import Mapping, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from espnet_tutornet.losses.masking import check_blank_id
from espnet_tutornet.utils.config import build, choose


def non_blank(log_probs: Tensor, pad_mask: Tensor, blank_id: int) -> Tensor:
    """Mark the valid frames whose argmax is not blank: (B, T, V) -> (B, T) bool."""
    return (log_probs.argmax(dim=-1) != blank_id) & ~pad_mask


def dilate(marked: Tensor, frames: int) -> Tensor:
    """Mark also what is within ``frames`` frames of a marked one: (B, T) bool.

    Example:
        >>> dilate(torch.tensor([[False, False, True, False]]), 1).tolist()
        [[False, True, True, True]]
    """
    wide = F.max_pool1d(
        marked.float().unsqueeze(1), 2 * frames + 1, stride=1, padding=frames
    )
    return wide.squeeze(1) > 0.0


class AllFrames:
    """Keep every frame."""

    def __call__(self, log_probs: Tensor, pad_mask: Tensor, blank_id: int) -> Tensor:
        """Select frames: (B, T, V) -> (B, T) bool."""
        return torch.ones_like(pad_mask)


class DropBlank:
    """Keep only frames whose argmax is not blank.

    Source:
        Blank elimination, Tian et al. 2022, as described by Hilmes et al., arXiv
        2506.01503.
    """

    def __call__(self, log_probs: Tensor, pad_mask: Tensor, blank_id: int) -> Tensor:
        """Select frames: (B, T, V) -> (B, T) bool."""
        return non_blank(log_probs, pad_mask, blank_id)


@dataclass(frozen=True)
class Symmetric:
    """Keep each run of non-blank frames and as many blank ones on either side of it.

    Args:
        frames: kept on either side of a run; 0 is ``drop``.

    Raises:
        ValueError: ``frames`` is no whole number >= 0.

    Source:
        Symmetric selection, Hilmes et al., arXiv 2506.01503. The default is ours.
    """

    frames: int = 1

    def __post_init__(self):
        if not (type(self.frames) is int and self.frames >= 0):
            raise ValueError(
                "blank_conf: frames must be a number of frames, 0 or more, got "
                f"{self.frames!r}."
            )

    def __call__(self, log_probs: Tensor, pad_mask: Tensor, blank_id: int) -> Tensor:
        """Select frames: (B, T, V) -> (B, T) bool."""
        return dilate(non_blank(log_probs, pad_mask, blank_id), self.frames)


@dataclass(frozen=True)
class Threshold:
    """Keep frames whose blank probability is below ``threshold``.

    Args:
        threshold: in (0, 1].

    Raises:
        ValueError: ``threshold`` is out of range.

    Source:
        Ours: ``drop`` with a bound that can be moved.
    """

    threshold: float = 0.95

    def __post_init__(self):
        _check_share("threshold", self.threshold, allow_zero=False)

    def __call__(self, log_probs: Tensor, pad_mask: Tensor, blank_id: int) -> Tensor:
        """Select frames: (B, T, V) -> (B, T) bool."""
        return log_probs[..., blank_id].float().exp() < self.threshold


@dataclass(frozen=True)
class RandomBlank:
    """Keep all non-blank frames, and each blank one with probability ``share``.

    Drawn anew at every call, in training and in validation. Kept frames are not scaled
    up: the expected loss is that of blank frames weighted by ``share``.

    Args:
        share: in [0, 1]; 0 is ``drop``, 1 is ``all``.

    Raises:
        ValueError: ``share`` is out of range.

    Source:
        Ours: tells whether it matters which blank frames are kept, beside how many.
    """

    share: float = 0.1

    def __post_init__(self):
        _check_share("share", self.share, allow_zero=True)

    def __call__(self, log_probs: Tensor, pad_mask: Tensor, blank_id: int) -> Tensor:
        """Select frames: (B, T, V) -> (B, T) bool."""
        drawn = torch.rand(pad_mask.shape, device=pad_mask.device) < self.share
        return drawn | non_blank(log_probs, pad_mask, blank_id)


BLANK_POLICIES = {
    "all": AllFrames,
    "drop": DropBlank,
    "symmetric": Symmetric,
    "threshold": Threshold,
    "random": RandomBlank,
}


class FrameSelection:
    """A named blank policy.

    Args:
        blank: a key of ``BLANK_POLICIES``.
        blank_conf: arguments of that policy.

    Raises:
        ValueError: unknown name, a key that the policy does not take, a bad value.

    Example:
        >>> log_probs = torch.tensor([[[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]]).log()
        >>> no_padding = torch.zeros(1, 3, dtype=torch.bool)
        >>> FrameSelection("symmetric", {"frames": 1})(log_probs, no_padding, 0)
        tensor([[False,  True,  True]])
    """

    def __init__(self, blank: str = "all", blank_conf: Optional[Mapping] = None):
        factory = choose("blank", BLANK_POLICIES, blank)
        self.policy = build(f"blank_conf of blank: {blank}", factory, blank_conf)
        self.name = blank

    @torch.no_grad()
    def __call__(
        self, teacher_log_probs: Tensor, pad_mask: Tensor, blank_id: int
    ) -> Tensor:
        """Select the frames of a batch.

        Args:
            teacher_log_probs: (B, T, V) natural log; padding may hold anything.
            pad_mask: (B, T), True on padding.
            blank_id: index of ``<blank>`` in V.

        Returns:
            (B, T) bool, True where the frame counts; False on padding.

        Raises:
            ValueError: ``blank_id`` is not in V.
        """
        check_blank_id(blank_id, teacher_log_probs)
        return self.policy(teacher_log_probs, pad_mask, blank_id) & ~pad_mask


def _check_share(name: str, value: float, allow_zero: bool) -> None:
    number = type(value) in (int, float)
    if not (number and (0.0 < value <= 1.0 or (allow_zero and value == 0.0))):
        bounds = "[0, 1]" if allow_zero else "(0, 1]"
        raise ValueError(f"blank_conf: {name} must be in {bounds}, got {value!r}.")
