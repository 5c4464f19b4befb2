"""SKD: the student's softmax output learns the teacher's.

All criteria are summed over frames and averaged over utterances: ``skd_weight`` means
nothing without that reduction.
"""

from typing import Mapping, Optional

from torch import Tensor, nn

from espnet_tutornet.losses.criteria import CRITERIA
from espnet_tutornet.losses.frame_selection import FrameSelection
from espnet_tutornet.losses.masking import utterance_mean
from espnet_tutornet.utils.config import choose


class SoftmaxLoss(nn.Module):
    """Distance between the softmax outputs of student and teacher.

        l2:      L_SKD = mean_b sum_t || p^student_t - p^teacher_t ||^2
        kl:      L_SKD = mean_b sum_t T^2 KL(p^teacher_t at T || p^student_t at T)
        guided:  L_SKD = mean_b sum_t -p^student_t(k_t),  k_t = argmax p^teacher_t

    Summed over the frames that ``blank`` selects, averaged over utterances; ``guided``
    reads the frames with k_t not blank, and is as low as minus their number.

    Args:
        criterion: ``l2``, ``kl`` or ``guided``.
        temperature: T of ``kl``; the others are defined at 1.
        blank: which frames count, see :class:`FrameSelection`; not with ``guided``.
        blank_conf: arguments of that policy.

    Raises:
        ValueError: unknown criterion or policy, temperature not positive, or not 1
            without ``kl``, a policy with ``guided``.

    Source:
        l2 between softmax outputs: TutorNet's SKD as the same first author's later
        paper (Inter-KD, arXiv 2211.15075) is reported to use it, with weight 0.25; the
        reduction is ours. kl: Hinton et al., arXiv 1503.02531; for CTC Hilmes et al.,
        arXiv 2506.01503. guided: Kurata & Audhkhasi, arXiv 1904.08311; the average over
        utterances is ours. Policies with l2: ours.

    Example:
        >>> import torch
        >>> loss = SoftmaxLoss("l2")
        >>> logits = torch.zeros(1, 1, 2)
        >>> teacher = torch.tensor([[[1.0, 0.0]]]).log()
        >>> float(loss(logits, teacher, torch.zeros(1, 1, dtype=torch.bool)))
        0.5
    """

    def __init__(
        self,
        criterion: str = "l2",
        temperature: float = 1.0,
        blank: str = "all",
        blank_conf: Optional[Mapping] = None,
    ):
        super().__init__()
        self.frame_loss = choose("criterion", CRITERIA, criterion)
        if not temperature > 0.0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        if criterion != "kl" and temperature != 1.0:
            raise ValueError(
                f"criterion {criterion} reads softmax outputs at temperature 1, got "
                f"{temperature}. Remove temperature, or use criterion: kl."
            )
        self.selection = FrameSelection(blank, blank_conf)
        if criterion == "guided":
            if blank != "all":
                raise ValueError(
                    "criterion guided reads the frames whose teacher argmax is not "
                    f"blank and no others, got blank: {blank}. Remove blank, or use "
                    "criterion: l2 or kl."
                )
            self.selection = FrameSelection("drop")
        self.criterion, self.temperature = criterion, temperature

    def forward(
        self,
        student_logits: Tensor,
        teacher_log_probs: Tensor,
        pad_mask: Tensor,
        blank_id: int = 0,
    ) -> Tensor:
        """Compute L_SKD.

        Args:
            student_logits: (B, T, V) before the softmax.
            teacher_log_probs: (B, T, V) natural log, aligned to the student's frames.
            pad_mask: (B, T), True where either side has no frame.
            blank_id: index of ``<blank>`` in V.

        Returns:
            Scalar.

        Raises:
            ValueError: the two vocabularies differ in size, or lack ``blank_id``.
        """
        if student_logits.shape != teacher_log_probs.shape:
            raise ValueError(
                "student and teacher posteriors must have one shape (B, T, V), got "
                f"{tuple(student_logits.shape)} and {tuple(teacher_log_probs.shape)}."
            )
        teacher_log_probs = teacher_log_probs.detach()
        frame_loss = self.frame_loss(
            student_logits, teacher_log_probs, self.temperature
        )
        selected = self.selection(teacher_log_probs, pad_mask, blank_id)
        return utterance_mean(frame_loss, ~selected)
