"""What every term of ``distill_conf`` is, and what it is handed."""

from typing import Mapping, NamedTuple, Optional, Tuple

from torch import Tensor, nn

from espnet_tutornet.losses import WeightSchedule
from espnet_tutornet.outputs import StudentOutputs, TeacherOutputs
from espnet_tutornet.utils.config import build


class Aligned(NamedTuple):
    """What a teacher said, on the student's frames.

    Attributes:
        hidden: layer name -> (B, T, D).
        log_probs: (B, T, V), or None.
        pad_mask: (B, T), True where either side has no frame.
        blank_id: index of ``<blank>`` in V.
        said: the same on the teacher's own frames, and what has no frames.
        delay: student frames by which the above is later.
    """

    hidden: Mapping[str, Tensor]
    log_probs: Optional[Tensor]
    pad_mask: Tensor
    blank_id: int
    said: TeacherOutputs
    delay: int = 0


class Term(nn.Module):
    """A term: ``weight``, perhaps a schedule of it, and what it needs.

    A subclass sets the attributes below where it differs, and returns the loss before
    its weight from ``forward(student, teacher)``.

    Attributes:
        kind: its name in ``distill_conf``, for messages.
        passes_to: the loss whose keys and defaults are the term's too, or None; its
            constructor hands on what it does not know itself, see :func:`find_keys`.
        given: arguments of its constructor that the program knows and yaml may not set.
        student_layer: encoder layer that it reads, or None.
        teacher_layer: encoder layer that it reads, or None.
        needs_logits: whether it reads the student's CTC logits.
        needs_head_logits: the same, detached from the encoder.
        needs_posteriors: whether it reads the teacher's CTC posteriors.
        needs_decoder: whether it reads the decoders' softmax outputs.
        needs_lattice: whether it reads the transducers' lattices.
        suffix: of its name in the log, where ESPnet logs a loss of that name.
        needs_tokens: whether it needs the teacher's tokens to be the student's.

    Args:
        weight: factor of the term, positive.
        schedule: how it changes, see :class:`WeightSchedule`; None: it does not.

    Raises:
        ValueError: the weight is not positive, or the schedule is wrong.
    """

    kind = suffix = ""
    passes_to: Optional[type] = None
    given: Tuple[str, ...] = ()
    student_layer: Optional[str] = None
    teacher_layer: Optional[str] = None
    needs_logits = needs_head_logits = False
    needs_posteriors = needs_decoder = needs_lattice = False
    needs_tokens = True

    def __init__(self, weight: float, schedule: Optional[Mapping] = None):
        super().__init__()
        self.weight = _positive(self.kind, weight)
        self.schedule: Optional[WeightSchedule] = None
        if schedule is not None:
            what = f"{self.kind}: schedule"
            self.schedule = build(what, WeightSchedule, schedule, weight=weight)

    def weight_at(self, batches: int) -> float:
        """Return the weight after ``batches`` training batches."""
        return self.weight if self.schedule is None else self.schedule(batches)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        raise NotImplementedError


def _positive(kind: str, weight: float) -> float:
    if not (isinstance(weight, (int, float)) and 0.0 < weight < float("inf")):
        raise ValueError(
            f"{kind}: weight must be a positive number, got {weight!r}. To leave the "
            "term out remove it; yaml wants a point in 1.0e-3."
        )
    return weight
