"""Frame weights of RKD: which frames the teacher pays attention to.

The paper says that frame weighting "points out the frames to which the teacher model
pays more attention" (Yoon et al., arXiv 2008.00671, abstract). The formulas are this
project's choice: each is a function of the teacher alone.
"""

import math
from typing import Optional

import torch
from torch import Tensor

from espnet_tutornet.losses.frame_selection import dilate, non_blank
from espnet_tutornet.losses.masking import check_blank_id, frame_dot
from espnet_tutornet.utils.config import choose


def uniform_weights(
    hidden: Tensor, log_probs: Optional[Tensor], pad_mask: Tensor, blank_id: int
) -> Tensor:
    """Weight all frames alike: w[b, t] = 1."""
    return torch.ones(hidden.shape[:2], device=hidden.device)


def nonblank_weights(
    hidden: Tensor, log_probs: Tensor, pad_mask: Tensor, blank_id: int
) -> Tensor:
    """Weight by the teacher's non-blank mass: w[b, t] = 1 - p[b, t, blank]."""
    return -torch.expm1(log_probs[..., blank_id].float())


def peak_weights(
    hidden: Tensor, log_probs: Tensor, pad_mask: Tensor, blank_id: int
) -> Tensor:
    """Weight by the likeliest other token: w[b, t] = max_{v != blank} p[b, t, v]."""
    sides = (log_probs[..., :blank_id], log_probs[..., blank_id + 1 :])
    peaks = [side.amax(dim=-1) for side in sides if side.size(-1)]  # (B, T) each
    return torch.stack(peaks).amax(dim=0).float().exp()


def energy_weights(
    hidden: Tensor, log_probs: Optional[Tensor], pad_mask: Tensor, blank_id: int
) -> Tensor:
    """Weight by activation energy: w[b, t] = ||h[b, t]||^2.

    Source:
        Activation attention, Zagoruyko & Komodakis, arXiv 1612.03928, over frames.
    """
    return hidden.float().pow(2).sum(dim=-1)


def mask_weights(
    hidden: Tensor,
    log_probs: Tensor,
    pad_mask: Tensor,
    blank_id: int,
    dilation: int = 1,
) -> Tensor:
    """Keep frames within ``dilation`` frames of one whose argmax is not blank."""
    spikes = non_blank(log_probs, pad_mask, blank_id)  # padding must not spread
    return dilate(spikes, dilation).float()


def entropy_weights(
    hidden: Tensor, log_probs: Tensor, pad_mask: Tensor, blank_id: int
) -> Tensor:
    """Weight by certainty: w[b, t] = 1 - H(p[b, t]) / log V."""
    if log_probs.dtype != torch.float32:  # rounded, they do not add up to one
        log_probs = torch.log_softmax(log_probs, dim=-1, dtype=torch.float32)
    finite = log_probs.clamp_min(torch.finfo(torch.float32).min)  # 0 log 0 is 0
    neg_entropy = frame_dot(log_probs.exp(), finite)
    return (1.0 + neg_entropy / math.log(log_probs.size(-1))).clamp_min(0.0)


FRAME_WEIGHTS = {
    "none": uniform_weights,
    "nonblank": nonblank_weights,
    "peak": peak_weights,
    "energy": energy_weights,
    "mask": mask_weights,
    "entropy": entropy_weights,
}
WITHOUT_POSTERIORS = ("none", "energy")
# About half a step of a probability in the cache's two bytes (of 32767): an utterance
# whose weights are all less counts nothing, from the cache as online.
LEAST_WEIGHT = 2.0**-16
FAINT = 2.0**-100  # frames over less than this may be infinite


class FrameWeights:
    """Named frame weights, with a floor, normalised to a mean of one.

    The weights of an utterance are scaled so that ``sum_t w_t`` is its number of valid
    frames; then frames under ``floor`` are lifted to it and the sum is restored. With
    ``floor=0`` an utterance whose weights are all zero counts nothing; those that are
    read off posteriors are zero where they are under 2^-16 in the whole utterance.

    Args:
        name: a key of ``FRAME_WEIGHTS``.
        floor: least weight, as a share of the average weight, in [0, 1].
        dilation: frames kept on either side of a spike; only for ``mask`` (default 1).

    Raises:
        ValueError: unknown name, a value out of range, dilation without ``mask``.

    Source:
        Idea: TutorNet, arXiv 2008.00671. Formulas, floor, normalisation: ours.

    Example:
        >>> log_probs = torch.tensor([[[0.9, 0.1], [0.4, 0.6]]]).log()
        >>> no_padding = torch.zeros(1, 2, dtype=torch.bool)
        >>> FrameWeights("nonblank")(torch.zeros(1, 2, 3), log_probs, no_padding, 0)
        tensor([[0.2857, 1.7143]])
    """

    def __init__(
        self,
        name: str = "nonblank",
        floor: float = 0.0,
        dilation: Optional[int] = None,
    ):
        self.function = choose("frame_weights", FRAME_WEIGHTS, name)
        if not 0.0 <= floor <= 1.0:
            raise ValueError(f"frame weights: floor must be in [0, 1], got {floor}.")
        if dilation is not None and name != "mask":
            raise ValueError(
                f"frame weights: dilation is for 'mask' alone, got it with {name!r}."
            )
        if dilation is not None and dilation < 0:
            raise ValueError(f"frame weights: dilation must be >= 0, got {dilation}.")
        self.name, self.floor = name, floor
        self.options = {} if dilation is None else {"dilation": dilation}
        self.needs_posteriors = name not in WITHOUT_POSTERIORS

    @torch.no_grad()
    def __call__(
        self,
        teacher_hidden: Tensor,
        teacher_log_probs: Optional[Tensor],
        pad_mask: Tensor,
        blank_id: int,
    ) -> Tensor:
        """Weigh the frames of a batch.

        Args:
            teacher_hidden: (B, T, D).
            teacher_log_probs: (B, T, V) natural log; None where not needed.
            pad_mask: (B, T), True on padding.
            blank_id: index of ``<blank>`` in V.

        Returns:
            (B, T) float32, zero on padding, mean one over the valid frames.

        Raises:
            ValueError: posteriors are needed and missing, or ``blank_id`` not in V.
        """
        if self.needs_posteriors:
            if teacher_log_probs is None:
                raise ValueError(
                    f"frame weights {self.name!r} need the teacher's CTC posteriors, "
                    f"got none. Choose one of {list(WITHOUT_POSTERIORS)}, or a teacher "
                    "with a CTC branch."
                )
            check_blank_id(blank_id, teacher_log_probs)
        weights = self.function(
            teacher_hidden, teacher_log_probs, pad_mask, blank_id, **self.options
        )
        weights = weights.float().masked_fill(pad_mask, 0.0)
        if self.needs_posteriors:
            faint = weights.amax(dim=1, keepdim=True) < LEAST_WEIGHT  # (B, 1)
            weights = weights.masked_fill(faint, 0.0)
        weights = _mean_one(weights, pad_mask)
        if self.floor > 0.0:
            lifted = weights.clamp_min(self.floor).masked_fill(pad_mask, 0.0)
            weights = _mean_one(lifted, pad_mask)
        return weights


def _mean_one(weights: Tensor, pad_mask: Tensor) -> Tensor:
    frames = (~pad_mask).sum(dim=1, keepdim=True)  # (B, 1)
    faint = weights.sum(dim=1, keepdim=True) < FAINT
    weights = torch.where(faint, weights / FAINT, weights)  # exact: a power of two
    total = weights.sum(dim=1, keepdim=True)
    return weights * (frames / total.masked_fill(total == 0.0, 1.0))
