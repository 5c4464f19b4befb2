"""RKD: the student's hidden representation learns the teacher's."""

from typing import Optional

import torch.nn.functional as F
from torch import Tensor, nn

from espnet_tutornet.layers.adapter import build_adapter
from espnet_tutornet.losses.frame_weights import FrameWeights
from espnet_tutornet.losses.masking import utterance_mean
from espnet_tutornet.utils.config import build


class RepresentationLoss(nn.Module):
    """Frame-weighted mean squared error between hidden representations.

        L_RKD = mean_b (1/T_b) sum_t w_t (1/D) || g(h^student_t) - h^teacher_t ||^2

    g is the adapter (dropped after training), D the teacher's width, w_t the frame
    weights with ``sum_t w_t = T_b``, T_b the valid frames of utterance b.

    Args:
        student_size: width of the student's representation.
        teacher_size: width of the teacher's.
        adapter: ``linear``, ``conv1``, ``conv3`` or ``none``.
        frame_weights: a key of ``FRAME_WEIGHTS``.
        frame_weights_conf: further arguments of :class:`FrameWeights`.
        layer_norm: bring every frame of g(h^student) and of h^teacher to mean 0 and
            variance 1 over D first: their length and offset are not learned. A loss of
            2 is then what unrelated representations have.

    Raises:
        ValueError: an unknown name or key; widths that differ without an adapter.

    Source:
        Idea, also across kinds of networks: TutorNet, arXiv 2008.00671 (abstract).
        Distance, adapter, normalisation and layer_norm: ours.

    Example:
        >>> import torch
        >>> loss = RepresentationLoss(4, 8, frame_weights="none")
        >>> padding = torch.zeros(2, 5, dtype=torch.bool)
        >>> loss(torch.randn(2, 5, 4), torch.randn(2, 5, 8), None, padding).shape
        torch.Size([])
    """

    def __init__(
        self,
        student_size: int,
        teacher_size: int,
        adapter: str = "linear",
        frame_weights: str = "nonblank",
        frame_weights_conf: Optional[dict] = None,
        layer_norm: bool = False,
    ):
        super().__init__()
        self.layer_norm = layer_norm
        self.adapter = build_adapter(adapter, student_size, teacher_size)
        self.frame_weights = build(
            "frame_weights_conf", FrameWeights, frame_weights_conf, name=frame_weights
        )

    def forward(
        self,
        student_hidden: Tensor,
        teacher_hidden: Tensor,
        teacher_log_probs: Optional[Tensor],
        pad_mask: Tensor,
        blank_id: int = 0,
    ) -> Tensor:
        """Compute L_RKD.

        Args:
            student_hidden: (B, T, D_student).
            teacher_hidden: (B, T, D_teacher), aligned to the student's frames.
            teacher_log_probs: (B, T, V) for the frame weights, or None.
            pad_mask: (B, T), True where either side has no frame.
            blank_id: index of ``<blank>`` in V.

        Returns:
            Scalar: per utterance the weighted mean over frames, averaged over B.
        """
        weights = self.frame_weights(
            teacher_hidden, teacher_log_probs, pad_mask, blank_id
        )
        padding = pad_mask.unsqueeze(-1)
        student_hidden = student_hidden.masked_fill(padding, 0.0)  # conv3 reads it
        adapted = self.adapter(student_hidden).float()  # (B, T, D_s) -> (B, T, D_t)
        target = teacher_hidden.detach().float()
        if self.layer_norm:
            size = (target.size(-1),)
            adapted, target = F.layer_norm(adapted, size), F.layer_norm(target, size)
        # zero on padding, too; zero times an infinite error is NaN
        unread = (weights == 0.0).unsqueeze(-1)
        error = (adapted - target).masked_fill(unread, 0.0)
        frame_loss = weights * error.pow(2).mean(dim=-1)  # (B, T, D) -> (B, T)
        frames = (~pad_mask).sum(dim=1, keepdim=True).clamp_min(1)  # (B, 1)
        return utterance_mean(frame_loss / frames, pad_mask)
