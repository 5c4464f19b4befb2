"""The terms of ``distill_conf``: what each compares, and what it needs for that."""

from typing import Mapping, NamedTuple, Optional

from torch import Tensor, nn

from espnet_tutornet.losses import RepresentationLoss, SoftmaxLoss, make_pad_mask
from espnet_tutornet.outputs import StudentOutputs


class Aligned(NamedTuple):
    """What a teacher said, on the student's frames.

    Attributes:
        hidden: layer name -> (B, T, D).
        log_probs: (B, T, V), or None.
        pad_mask: (B, T), True where either side has no frame.
        blank_id: index of ``<blank>`` in V.
        decoder_log_probs: (B, L + 1, V), or None.
    """

    hidden: Mapping[str, Tensor]
    log_probs: Optional[Tensor]
    pad_mask: Tensor
    blank_id: int
    decoder_log_probs: Optional[Tensor]


class RepresentationTerm(nn.Module):
    """RKD between one student layer and one teacher layer.

    Args:
        student_sizes: layer name -> width, of the student.
        teacher_sizes: layer name -> width, of the teacher.
        student_layer: encoder layer name, or ``last``.
        teacher_layer: encoder layer name, or ``last``.
        weight: factor of the term.
        adapter: see :class:`RepresentationLoss`.
        frame_weights: see :class:`RepresentationLoss`.
        frame_weights_conf: see :class:`RepresentationLoss`.
    """

    needs_logits = needs_decoder = False

    def __init__(
        self,
        student_sizes: Mapping[str, int],
        teacher_sizes: Mapping[str, int],
        student_layer: str = "last",
        teacher_layer: str = "last",
        weight: float = 1.0,
        adapter: str = "linear",
        frame_weights: str = "nonblank",
        frame_weights_conf: Optional[dict] = None,
    ):
        super().__init__()
        self.student_layer, self.teacher_layer = student_layer, teacher_layer
        self.weight = _positive("rkd", weight)
        self.loss = RepresentationLoss(
            student_sizes[student_layer],
            teacher_sizes[teacher_layer],
            adapter=adapter,
            frame_weights=frame_weights,
            frame_weights_conf=frame_weights_conf,
        )
        self.needs_posteriors = self.loss.frame_weights.needs_posteriors

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        return self.loss(
            student.hidden[self.student_layer],
            teacher.hidden[self.teacher_layer],
            teacher.log_probs,
            teacher.pad_mask,
            teacher.blank_id,
        )


class SoftmaxTerm(nn.Module):
    """SKD between the CTC softmax outputs.

    Args:
        weight: factor of the term; the loss is summed over frames.
        criterion: see :class:`SoftmaxLoss`.
        temperature: see :class:`SoftmaxLoss`.
    """

    kind = "skd"
    student_layer = teacher_layer = None
    needs_logits = needs_posteriors = True
    needs_decoder = False

    def __init__(
        self, weight: float = 0.25, criterion: str = "l2", temperature: float = 1.0
    ):
        super().__init__()
        self.weight = _positive(self.kind, weight)
        self.loss = SoftmaxLoss(criterion, temperature)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        return self.loss(student.logits, teacher.log_probs, teacher.pad_mask)


class DecoderTerm(SoftmaxTerm):
    """SKD between the attention decoders' softmax outputs, under teacher forcing.

    Both decoders read the transcript; an utterance without one counts as zero.

    Args:
        weight: factor of the term; the loss is summed over tokens, ``<eos>`` included.
        criterion: see :class:`SoftmaxLoss`.
        temperature: see :class:`SoftmaxLoss`.
    """

    kind = "decoder"
    needs_logits = needs_posteriors = False
    needs_decoder = True

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        if student.decoder_logits is None:  # not one transcript in the batch
            return student.hidden["last"].sum() * 0.0
        pad_mask = make_pad_mask(student.decoder_lens, student.decoder_logits.size(1))
        return self.loss(student.decoder_logits, teacher.decoder_log_probs, pad_mask)


TERMS = {"rkd": RepresentationTerm, "skd": SoftmaxTerm, "decoder": DecoderTerm}


def kind_of(name: str) -> str:
    """Return the kind of a term: several of one kind are told apart by what follows.

    Raises:
        ValueError: an unknown kind; the message lists the known ones.

    Example:
        >>> kind_of("skd"), kind_of("rkd_middle")
        ('skd', 'rkd')
    """
    kind = name.split("_", 1)[0]
    if kind not in TERMS:
        raise ValueError(
            f"distill_conf: terms: unknown term {name!r}. Known terms: "
            f"{sorted(TERMS)}, each also with a name of its own, as rkd_middle."
        )
    return kind


def needs_tokens(terms: Mapping[str, dict]) -> bool:
    """Tell whether posteriors are compared, hence token lists must be the same.

    Example:
        >>> needs_tokens({"rkd": {}}), needs_tokens({"rkd": {}, "skd": {}})
        (False, True)
    """
    return any(TERMS[kind_of(name)] is not RepresentationTerm for name in terms)


def _positive(kind: str, weight: float) -> float:
    if not (isinstance(weight, (int, float)) and weight > 0.0):
        raise ValueError(
            f"{kind}: weight must be a positive number, got {weight!r}. To leave the "
            "term out remove it; yaml wants a point in 1.0e-3."
        )
    return weight
