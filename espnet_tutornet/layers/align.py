"""Bring teacher frames to the student's frame count.

Frame t of a network with frame shift s covers the audio [t s, (t+1) s). With
``ratio`` = student shift / teacher shift (teacher frames a student frame), the centre
of student frame t lies at teacher position ``u_t = (t + 1/2) ratio - 1/2``. Equal rates
give u_t = t whatever the two lengths are: conv2d (49 frames of 201) and vgg (51) agree
frame by frame, and what one side lacks at the end is masked.
"""

import math

import torch
from torch import Tensor


def valid_lens(student_lens: Tensor, teacher_lens: Tensor, ratio: float) -> Tensor:
    """Count the student frames that have a teacher frame under them.

    Args:
        student_lens: (B,) student frames.
        teacher_lens: (B,) teacher frames.
        ratio: teacher frames a student frame.

    Returns:
        (B,) frames of the student whose centre lies inside the teacher's output.

    Raises:
        RuntimeError: the two sides do not fit the same audio at these rates.
    """
    expected = student_lens * ratio
    # an encoder loses up to 3.5 of its own frames at the edges (conv2d8: 7/8 + 2)
    slack = 4.0 * max(ratio, 1.0)
    gap = (expected - teacher_lens).abs()
    if bool((gap > slack).any()):
        worst = int(gap.argmax())
        raise RuntimeError(
            f"teacher and student frames do not fit: {int(student_lens[worst])} "
            f"student frames at {ratio:.3f} teacher frames each, expected about "
            f"{float(expected[worst]):.0f} teacher frames (+-{slack:.0f}), got "
            f"{int(teacher_lens[worst])}. Both must see the same audio: check time "
            "warping (apply_time_warp: false) and the sampling rates."
        )
    covered = torch.floor(teacher_lens / ratio + 0.5 + 1e-6).to(student_lens.dtype)
    return torch.minimum(student_lens, covered)


def align_hidden(
    hidden: Tensor, teacher_lens: Tensor, ratio: float, max_len: int
) -> Tensor:
    """Resample hidden states to the student's frames by linear interpolation.

    Args:
        hidden: (B, T_teacher, D).
        teacher_lens: (B,) valid teacher frames; padding is never mixed in.
        ratio: teacher frames a student frame.
        max_len: T_student.

    Returns:
        (B, T_student, D); frames past the teacher's end repeat its last one.

    Example:
        >>> x = torch.tensor([[[0.0], [2.0], [4.0], [6.0]]])
        >>> align_hidden(x, torch.tensor([4]), 2.0, 2).flatten().tolist()
        [1.0, 5.0]
    """
    if ratio == 1.0 and hidden.size(1) >= max_len:
        return hidden[:, :max_len]
    centres = _centres(ratio, max_len, hidden.device)
    last = (teacher_lens - 1).clamp_min(0).unsqueeze(1)  # (B, 1)
    position = torch.minimum(centres, last.to(centres.dtype))  # (B, T_student)
    left = position.floor().long()
    right = torch.minimum(left + 1, last)
    share = (position - left).to(hidden.dtype).unsqueeze(-1)  # (B, T_student, 1)
    return torch.lerp(_take(hidden, left), _take(hidden, right), share)


def align_posteriors(
    log_probs: Tensor, teacher_lens: Tensor, ratio: float, max_len: int, blank_id: int
) -> Tensor:
    """Resample posteriors to the student's frames, keeping the spikes.

    Rule (ours): of the teacher frames under a student frame take the one that is least
    blank, whole; where the teacher is slower, take the nearest frame. Every result is
    one of the teacher's own distributions, and a CTC spike one frame wide survives a
    slower student.

    Args:
        log_probs: (B, T_teacher, V) natural log.
        teacher_lens: (B,) valid teacher frames.
        ratio: teacher frames a student frame.
        max_len: T_student.
        blank_id: index of ``<blank>`` in V.

    Returns:
        (B, T_student, V); frames past the teacher's end repeat its last one.
    """
    if ratio == 1.0 and log_probs.size(1) >= max_len:
        return log_probs[:, :max_len]
    frames = torch.arange(max_len, device=log_probs.device, dtype=torch.float64)
    nearest = ((frames + 0.5) * ratio).floor()
    start = torch.minimum((frames * ratio - 0.5).ceil(), nearest)
    stop = torch.maximum(((frames + 1) * ratio - 0.5).ceil(), start + 1)
    width = torch.arange(math.ceil(ratio), device=log_probs.device)
    window = torch.minimum(start.unsqueeze(1) + width, stop.unsqueeze(1) - 1)
    last = (teacher_lens - 1).clamp_min(0).view(-1, 1, 1)  # (B, 1, 1)
    window = torch.minimum(window.long().unsqueeze(0), last)  # (B, T_student, width)
    blank = _take(log_probs[..., blank_id : blank_id + 1], window.flatten(1))
    least = blank.view(window.shape).argmin(dim=-1, keepdim=True)
    return _take(log_probs, window.gather(2, least).squeeze(-1))


def delay_frames(x: Tensor, delay: int) -> Tensor:
    """Let frame t say what frame ``t - delay`` said; the first ones repeat the first.

    Args:
        x: (B, T, D).
        delay: frames, 0 or more.

    Returns:
        (B, T, D).

    Example:
        >>> delay_frames(torch.tensor([[[1.0], [2.0], [3.0]]]), 1).flatten().tolist()
        [1.0, 1.0, 2.0]
    """
    if delay == 0:
        return x
    earlier = (torch.arange(x.size(1), device=x.device) - delay).clamp_min(0)
    return x[:, earlier]


def _centres(ratio: float, max_len: int, device: torch.device) -> Tensor:
    frames = torch.arange(max_len, device=device, dtype=torch.float64)
    return ((frames + 0.5) * ratio - 0.5).clamp_min(0.0).unsqueeze(0)  # (1, T)


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Gather frames: (B, T, D) by (B, N) -> (B, N, D)."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.size(-1)))
