"""The one currency: what a teacher says and what a student says of a batch.

Every teacher, online or not, returns :class:`TeacherOutputs`; the model cannot tell
which kind it has. Axes are named in :mod:`espnet_tutornet.losses`.
"""

from dataclasses import dataclass
from typing import Mapping, NamedTuple, Optional

from torch import Tensor


class LatticePath(NamedTuple):
    """A transducer's best path that spells the transcript, a node after the other.

    Attributes:
        frames: (B, N) teacher frame of each node.
        labels: (B, N) tokens of the transcript before it.
        probs: (B, N, 2) probabilities of blank and of the transcript's next token.
        lens: (B,) valid nodes: frames and tokens together.
    """

    frames: Tensor
    labels: Tensor
    probs: Tensor
    lens: Tensor


@dataclass(frozen=True)
class TeacherOutputs:
    """What a frozen teacher says of one batch.

    Attributes:
        lens: (B,) valid teacher frames.
        hidden: layer name -> (B, T, D).
        log_probs: (B, T, V) natural log of the CTC softmax, or None.
        frame_shift: audio samples from one teacher frame to the next.
        decoder_log_probs: (B, L + 1, V) natural log of the attention decoder's softmax
            after each token of the transcript, or None.
        path: of a transducer's lattice, or None.
    """

    lens: Tensor
    hidden: Mapping[str, Tensor]
    log_probs: Optional[Tensor]
    frame_shift: float
    decoder_log_probs: Optional[Tensor] = None
    path: Optional[LatticePath] = None


@dataclass(frozen=True)
class StudentOutputs:
    """What the student computed of the same batch, with its graph.

    Attributes:
        lens: (B,) valid student frames.
        hidden: layer name -> (B, T, D); ``last``, the encoder's output, always.
        logits: (B, T, V) before the CTC softmax, or None where no term needs them.
        head_logits: (B, T, V) the same, with no gradient to the encoder, or None.
        frame_shift: audio samples from one student frame to the next.
        decoder_logits: (B, L + 1, V) before the attention decoder's softmax, or None
            where no term needs them.
        decoder_lens: (B,) valid tokens of these, 0 without a transcript.
        text: (B, L) token ids of the transcripts, padded with ``ignore_id``, or None.
        text_lengths: (B,) tokens of these, 0 without a transcript.
        lattice: (B, T, L + 1, V) of a transducer, before its softmax, or None where no
            term needs it.
    """

    lens: Tensor
    hidden: Mapping[str, Tensor]
    logits: Optional[Tensor]
    frame_shift: float
    head_logits: Optional[Tensor] = None
    decoder_logits: Optional[Tensor] = None
    decoder_lens: Optional[Tensor] = None
    text: Optional[Tensor] = None
    text_lengths: Optional[Tensor] = None
    lattice: Optional[Tensor] = None
