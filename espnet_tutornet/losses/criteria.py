"""Distances between the softmax outputs of one frame, by name.

Each is one autograd function, so that a vocabulary of 5000 costs two temporaries of
(B, T, V) and not the five of the plain expression.
"""

import torch
from torch import Tensor

from espnet_tutornet.losses.masking import frame_dot

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


class _GuidedProbability(torch.autograd.Function):
    """-softmax(z)_k for each frame, k the teacher's likeliest token."""

    @staticmethod
    def forward(ctx, logits: Tensor, teacher_log_probs: Tensor) -> Tensor:
        spikes = teacher_log_probs.argmax(dim=-1, keepdim=True)  # (B, T, 1)
        probs = torch.softmax(logits, dim=-1, dtype=torch.float32)  # temporary 1
        ctx.save_for_backward(probs, spikes)
        ctx.logits_dtype = logits.dtype
        return -probs.gather(-1, spikes).squeeze(-1)

    @staticmethod
    def backward(ctx, grad_frames: Tensor):
        probs, spikes = ctx.saved_tensors
        # d/dz_v = p_k p_v - p_k [v = k]
        scale = probs.gather(-1, spikes) * grad_frames.unsqueeze(-1)
        grad = (probs * scale).scatter_add_(-1, spikes, -scale)
        grad.masked_fill_((grad_frames == 0).unsqueeze(-1), 0.0)
        return grad.to(ctx.logits_dtype), None


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


def guided_frames(
    logits: Tensor, teacher_log_probs: Tensor, temperature: float
) -> Tensor:
    """Minus the student's probability of the teacher's token, at temperature one."""
    return _GuidedProbability.apply(logits, teacher_log_probs)


CRITERIA = {"l2": l2_frames, "kl": kl_frames, "guided": guided_frames}
