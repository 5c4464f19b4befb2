"""The terms of ``distill_conf`` that read token sequences: CTC is part of them."""

from typing import Any, Mapping, Optional

from torch import Tensor, nn

from espnet_tutornet.distill.term import Aligned, Term
from espnet_tutornet.losses import (
    SequenceLoss,
    SoftmaxLoss,
    ctc_log_probs,
    make_pad_mask,
    utterance_ctc,
)
from espnet_tutornet.outputs import StudentOutputs


class SequenceTerm(Term):
    """Sequence-level distillation: CTC towards the teacher's own hypotheses.

    These are read off the teacher's frames as they are, before alignment: a spike
    between two student frames is not lost, and a delay does not matter.

    Args:
        weight: factor of the term; the loss is that of ESPnet's CTC.
        schedule: see :class:`Term`.
        nbest: see :class:`SequenceLoss`.
    """

    kind = "sequence"
    needs_logits = needs_posteriors = True

    def __init__(
        self, weight: float = 0.5, schedule: Optional[dict] = None, nbest: int = 1
    ):
        super().__init__(weight, schedule)
        self.loss = SequenceLoss(nbest)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        said = teacher.said
        return self.loss(
            student.logits, student.lens, said.log_probs, said.lens, teacher.blank_id
        )


class InterTerm(Term):
    """SKD and CTC at an inner block of the student, by an output layer of its own.

        loss = criterion(head(h), teacher) + ctc_weight * CTC(head(h), transcript)

    ``weight`` is the factor of the whole: write ``weight: 0.25, ctc_weight: 4.0`` for
    0.25 of the criterion and 1.0 of CTC. The head is dropped at export. An utterance
    without a transcript, or with one longer than its frames, has no CTC part.

    Args:
        student_sizes: layer name -> width, of the student.
        vocab_size: V of the teacher.
        student_layer: encoder layer name.
        weight: factor of the term; summed over frames, averaged over utterances.
        schedule: see :class:`Term`.
        ctc_weight: factor of CTC in it, 0.0 or more.
        loss: the keys of :class:`SoftmaxLoss`.

    Raises:
        ValueError: ``student_layer`` is missing, ``ctc_weight`` is negative, or
            ``vocab_size`` is not known.

    Source:
        Inter-KD, Yoon et al., arXiv 2211.15075, of which the abstract was read and
        notes of others. One linear layer as the head, the block's output as it is, and
        the default weights: ours.
    """

    kind = "inter"
    passes_to = SoftmaxLoss
    given = ("student_sizes", "vocab_size")
    needs_posteriors = True

    def __init__(
        self,
        student_sizes: Mapping[str, int],
        vocab_size: Optional[int],
        student_layer: Optional[str] = None,
        weight: float = 0.25,
        schedule: Optional[dict] = None,
        ctc_weight: float = 1.0,
        **loss: Any,
    ):
        super().__init__(weight, schedule)
        if not (type(ctc_weight) in (int, float) and ctc_weight >= 0.0):
            raise ValueError(
                f"inter: ctc_weight must be a number, 0 or more, got {ctc_weight!r}."
            )
        if student_layer is None:
            raise ValueError(
                "inter: student_layer is missing, expected an inner block of the "
                "student's encoder, as encoders.0 or, of a recurrent one, enc.0."
            )
        if vocab_size is None:
            raise ValueError(
                "inter: its head puts out the teacher's tokens, but their number is "
                "not known. Give the Distiller vocab_size."
            )
        self.student_layer, self.ctc_weight = student_layer, ctc_weight
        self.head = nn.Linear(student_sizes[student_layer], vocab_size)
        self.loss = SoftmaxLoss(**loss)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        hidden = student.hidden[self.student_layer]
        padding = make_pad_mask(student.lens, hidden.size(1)).unsqueeze(-1)
        # 0 x NaN is NaN in the gradient of the head
        logits = self.head(hidden.masked_fill(padding, 0.0))  # (B, T, D) -> (B, T, V)
        blank_id = teacher.blank_id
        loss = self.loss(logits, teacher.log_probs, teacher.pad_mask, blank_id)
        if self.ctc_weight == 0.0 or student.text is None:
            return loss
        losses = utterance_ctc(
            ctc_log_probs(logits, student.lens),
            student.lens,
            student.text,
            student.text_lengths,
            blank_id,
        )
        return loss + self.ctc_weight * losses.mean()
