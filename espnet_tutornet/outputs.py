"""The one currency: what a teacher says and what a student says of a batch.

Every teacher, online or not, returns :class:`TeacherOutputs`; the model cannot tell
which kind it has. Axes are named in :mod:`espnet_tutornet.losses`.
"""

from dataclasses import dataclass
from typing import Mapping, Optional

from torch import Tensor


@dataclass(frozen=True)
class TeacherOutputs:
    """What a frozen teacher says of one batch.

    Attributes:
        lens: (B,) valid teacher frames.
        hidden: layer name -> (B, T, D).
        log_probs: (B, T, V) natural log of the CTC softmax, or None.
        frame_shift: audio samples from one teacher frame to the next.
    """

    lens: Tensor
    hidden: Mapping[str, Tensor]
    log_probs: Optional[Tensor]
    frame_shift: float


@dataclass(frozen=True)
class StudentOutputs:
    """What the student computed of the same batch, with its graph.

    Attributes:
        lens: (B,) valid student frames.
        hidden: layer name -> (B, T, D); ``last``, the encoder's output, always.
        logits: (B, T, V) before the CTC softmax, or None where no term needs them.
        frame_shift: audio samples from one student frame to the next.
    """

    lens: Tensor
    hidden: Mapping[str, Tensor]
    logits: Optional[Tensor]
    frame_shift: float
