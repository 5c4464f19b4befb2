"""The term of ``distill_conf`` that reads transducers' lattices."""

from typing import Optional

from torch import Tensor

from espnet_tutornet.distill.term import Aligned, Term
from espnet_tutornet.layers.transducer_path import align_path, take_nodes
from espnet_tutornet.losses import make_pad_mask
from espnet_tutornet.losses.transducer import TransducerLoss
from espnet_tutornet.outputs import StudentOutputs


class TransducerTerm(Term):
    """Distillation of a transducer's lattice, on the teacher's best path.

    The path spells the transcript: (T + U) nodes of T times (U + 1). It is moved to the
    student's frames (:func:`align_path`), and later by ``delay`` of them.

    Args:
        weight: factor of the term; the loss is summed over nodes.
        schedule: see :class:`Term`.
        criterion: see :class:`TransducerLoss`.
    """

    kind = "transducer"
    suffix = "_path"  # ESPnet's own loss of a transducer is loss_transducer
    needs_lattice = True

    def __init__(
        self,
        weight: float = 0.1,
        schedule: Optional[dict] = None,
        criterion: str = "kl",
    ):
        super().__init__(weight, schedule)
        self.loss = TransducerLoss(criterion)

    def forward(self, student: StudentOutputs, teacher: Aligned) -> Tensor:
        """Return the unweighted loss of the term."""
        ratio = student.frame_shift / teacher.said.frame_shift
        frames, labels, probs, lens = align_path(
            *teacher.said.path, ratio, student.lens, teacher.delay
        )
        logits = take_nodes(student.lattice, frames, labels)
        pad_mask = make_pad_mask(lens, frames.size(1))
        # one blank behind each transcript: there is no next label
        text = student.text.new_full(
            (len(student.text), student.text.size(1) + 1), teacher.blank_id
        )
        text[:, :-1] = student.text.masked_fill(
            make_pad_mask(student.text_lengths, student.text.size(1)), teacher.blank_id
        )
        next_labels = text.gather(1, labels)
        return self.loss(logits, next_labels, probs, pad_mask, teacher.blank_id)
