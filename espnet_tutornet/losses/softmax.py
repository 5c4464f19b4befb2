"""SKD: the student's softmax output learns the teacher's.

Both criteria are summed over frames and averaged over utterances: ``skd_weight`` means
nothing without that reduction. Each is one autograd function, so that a vocabulary of
5000 costs two temporaries of (B, T, V) and not the five of the plain expression.
"""

import torch
from torch import Tensor, nn

from espnet_tutornet.config import choose
from espnet_tutornet.losses.masking import frame_dot, utterance_mean

ROWS = 32  # frames scaled at a time: a third temporary of this many, not of (B, T)


class _SquaredDistance(torch.autograd.Function):
    """sum_v (softmax(z)_v - q_v)^2 for each frame."""

    @staticmethod
    def forward(ctx, logits: Tensor, teacher_log_probs: Tensor) -> Tensor:
        probs = torch.softmax(logits, dim=-1, dtype=torch.float32)  # temporary 1
        error = torch.exp(teacher_log_probs.float()).neg_().add_(probs)  # temporary 2
        ctx.save_for_backward(probs, error)
        ctx.logits_dtype = logits.dtype
        return frame_dot(error, error)

    @staticmethod
    def backward(ctx, grad_frames: Tensor):
        probs, error = ctx.saved_tensors
        # d/dz_v = 2 p_v (e_v - sum_u p_u e_u)
        mean_error = frame_dot(probs, error).unsqueeze(-1)
        grad = (error - mean_error).mul_(probs).mul_(2.0 * grad_frames.unsqueeze(-1))
        # a padded frame may hold NaN: its gradient is zero, not NaN times zero
        grad.masked_fill_((grad_frames == 0).unsqueeze(-1), 0.0)
        return grad.to(ctx.logits_dtype), None


class _KullbackLeibler(torch.autograd.Function):
    """T^2 KL(softmax(log q / T) || softmax(z / T)) for each frame."""

    @staticmethod
    def forward(ctx, logits: Tensor, teacher_log_probs: Tensor, temperature: float):
        scale = 1.0 / temperature
        log_q = _log_softmax(teacher_log_probs, scale)  # temporary 1
        q = log_q.exp()  # temporary 2
        divergence = _expectation(q, log_q)
        del log_q
        log_p = _log_softmax(logits, scale)  # temporary 1 again
        divergence = divergence - _expectation(q, log_p)
        error = log_p.exp_().sub_(q)  # p - q
        ctx.save_for_backward(error)
        ctx.temperature, ctx.logits_dtype = temperature, logits.dtype
        return divergence * temperature**2

    @staticmethod
    def backward(ctx, grad_frames: Tensor):
        (error,) = ctx.saved_tensors
        # T^2 * (p - q) / T
        grad = error * (ctx.temperature * grad_frames.unsqueeze(-1))
        grad.masked_fill_((grad_frames == 0).unsqueeze(-1), 0.0)
        return grad.to(ctx.logits_dtype), None, None


def _log_softmax(logits: Tensor, scale: float) -> Tensor:
    if scale == 1.0:
        return torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    log_probs = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
    for utterance, out in zip(logits, log_probs):
        for rows, kept in zip(utterance.split(ROWS), out.split(ROWS)):
            kept.copy_(rows).mul_(scale)
            kept.copy_(torch.log_softmax(kept, dim=-1))
    return log_probs


def _expectation(probs: Tensor, log_probs: Tensor) -> Tensor:
    """Sum over v, with 0 log 0 = 0 where a teacher is certain; clamps in place."""
    log_probs.clamp_min_(torch.finfo(torch.float32).min)
    return frame_dot(probs, log_probs)


def l2_frames(logits: Tensor, teacher_log_probs: Tensor, temperature: float) -> Tensor:
    """Squared l2 distance between softmax outputs; the temperature is one."""
    return _SquaredDistance.apply(logits, teacher_log_probs)


def kl_frames(logits: Tensor, teacher_log_probs: Tensor, temperature: float) -> Tensor:
    """T^2 times the KL divergence from student to teacher at temperature T."""
    return _KullbackLeibler.apply(logits, teacher_log_probs, temperature)


CRITERIA = {"l2": l2_frames, "kl": kl_frames}


class SoftmaxLoss(nn.Module):
    """Distance between the softmax outputs of student and teacher.

        l2:  L_SKD = mean_b sum_t || p^student_t - p^teacher_t ||^2
        kl:  L_SKD = mean_b sum_t T^2 KL(p^teacher_t at T || p^student_t at T)

    Summed over the valid frames of an utterance, averaged over utterances.

    Args:
        criterion: ``l2`` or ``kl``.
        temperature: T of ``kl``; ``l2`` is defined at 1.

    Raises:
        ValueError: unknown criterion, temperature not positive, or not 1 with ``l2``.

    Source:
        l2 between softmax outputs: TutorNet's SKD as the same first author's later
        paper (Inter-KD, arXiv 2211.15075) is reported to use it, with weight 0.25; the
        reduction is ours. kl: Hinton et al., arXiv 1503.02531; for CTC Hilmes et al.,
        arXiv 2506.01503.

    Example:
        >>> loss = SoftmaxLoss("l2")
        >>> logits = torch.zeros(1, 1, 2)
        >>> teacher = torch.tensor([[[1.0, 0.0]]]).log()
        >>> float(loss(logits, teacher, torch.zeros(1, 1, dtype=torch.bool)))
        0.5
    """

    def __init__(self, criterion: str = "l2", temperature: float = 1.0):
        super().__init__()
        self.frame_loss = choose("criterion", CRITERIA, criterion)
        if not temperature > 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        if criterion == "l2" and temperature != 1.0:
            raise ValueError(
                "criterion l2 compares softmax outputs at temperature 1, got "
                f"{temperature}. Remove temperature, or use criterion: kl."
            )
        self.criterion, self.temperature = criterion, temperature

    def forward(
        self, student_logits: Tensor, teacher_log_probs: Tensor, pad_mask: Tensor
    ) -> Tensor:
        """Compute L_SKD.

        Args:
            student_logits: (B, T, V) before the softmax.
            teacher_log_probs: (B, T, V) natural log, aligned to the student's frames.
            pad_mask: (B, T), True where either side has no frame.

        Returns:
            Scalar.

        Raises:
            ValueError: the two vocabularies differ in size.
        """
        if student_logits.shape != teacher_log_probs.shape:
            raise ValueError(
                "student and teacher posteriors must have one shape (B, T, V), got "
                f"{tuple(student_logits.shape)} and {tuple(teacher_log_probs.shape)}."
            )
        frame_loss = self.frame_loss(
            student_logits, teacher_log_probs.detach(), self.temperature
        )
        return utterance_mean(frame_loss, pad_mask)
