"""The terms of ``distill_conf``: what each compares, and what it needs for that."""

from typing import Any, Mapping, Optional

from torch import Tensor

from espnet_tutornet.distill.sequence_terms import InterTerm, SequenceTerm
from espnet_tutornet.distill.term import Aligned, Term
from espnet_tutornet.distill.transducer_terms import TransducerTerm
from espnet_tutornet.losses import (
    RepresentationLoss,
    SoftmaxLoss,
    make_pad_mask,
    zero_loss,
)
from espnet_tutornet.outputs import StudentOutputs


class RepresentationTerm(Term):
    """RKD between one student layer and one teacher layer.

    Args:
        student_sizes: layer name -> width, of the student.
        teacher_sizes: layer name -> width, of the teacher.
        student_layer: encoder layer name, or ``last``.
        teacher_layer: encoder layer name, or ``last``.
        weight: factor of the term.
        schedule: see :class:`Term`.
        loss: the keys of :class:`RepresentationLoss`.
    """

    kind = "rkd"
    passes_to = RepresentationLoss
    given = ("student_sizes", "teacher_sizes")
    needs_tokens = False

    def __init__(
        self,
        student_sizes: Mapping[str, int],
        teacher_sizes: Mapping[str, int],
        student_layer: str = "last",
        teacher_layer: str = "last",
        weight: float = 1.0,
        schedule: Optional[dict] = None,
        **loss: Any,
    ):
        super().__init__(weight, schedule)
        self.student_layer, self.teacher_layer = student_layer, teacher_layer
        self.loss = RepresentationLoss(
            student_sizes[student_layer],
            teacher_sizes[teacher_layer],
            **loss,
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


class SoftmaxTerm(Term):
    """SKD between the CTC softmax outputs.

    Args:
        weight: factor of the term; the loss is summed over frames. 1.0 is ours, 0.25 is
            reported for l2, with an unknown reduction.
        schedule: see :class:`Term`.
        detach: no gradient reaches the encoder, the output layer alone learns. Beside
            RKD it follows the representation as that takes shape, and stage 2 starts
            with an output layer that can read it (ours).
        loss: the keys of :class:`SoftmaxLoss`.
    """

    kind = "skd"
    passes_to = SoftmaxLoss
    needs_posteriors = True

    def __init__(
        self,
        weight: float = 1.0,
        schedule: Optional[dict] = None,
        detach: bool = False,
        **loss: Any,
    ):
        super().__init__(weight, schedule)
        self.needs_logits, self.needs_head_logits = not detach, detach
        self.loss = SoftmaxLoss(**loss)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        logits = student.head_logits if self.needs_head_logits else student.logits
        return self.loss(logits, teacher.log_probs, teacher.pad_mask, teacher.blank_id)


class DecoderTerm(Term):
    """SKD between the attention decoders' softmax outputs, under teacher forcing.

    Both decoders read the transcript; an utterance without one counts as zero.

    Args:
        weight: factor of the term; the loss is summed over tokens, ``<eos>`` included.
        schedule: see :class:`Term`.
        criterion: see :class:`SoftmaxLoss`; not ``guided``, which reads blanks.
        temperature: see :class:`SoftmaxLoss`.

    Raises:
        ValueError: ``guided``.
    """

    kind = "decoder"
    needs_decoder = True

    def __init__(
        self,
        weight: float = 0.25,
        schedule: Optional[dict] = None,
        criterion: str = "l2",
        temperature: float = 1.0,
    ):
        super().__init__(weight, schedule)
        if criterion == "guided":
            raise ValueError(
                "decoder: criterion guided reads where a CTC teacher is not blank, but "
                "an attention decoder has no blank. Use criterion: l2 or kl."
            )
        self.loss = SoftmaxLoss(criterion, temperature)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        if student.decoder_logits is None:  # not one transcript in the batch
            return zero_loss(student.hidden["last"])
        pad_mask = make_pad_mask(student.decoder_lens, student.decoder_logits.size(1))
        log_probs = teacher.said.decoder_log_probs
        return self.loss(student.decoder_logits, log_probs, pad_mask)


TERMS = {
    "rkd": RepresentationTerm,
    "skd": SoftmaxTerm,
    "decoder": DecoderTerm,
    "sequence": SequenceTerm,
    "inter": InterTerm,
    "transducer": TransducerTerm,
}


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
    """Tell whether tokens are compared, hence token lists must be the same.

    Example:
        >>> needs_tokens({"rkd": {}}), needs_tokens({"rkd": {}, "skd": {}})
        (False, True)
    """
    return any(TERMS[kind_of(name)].needs_tokens for name in terms)
