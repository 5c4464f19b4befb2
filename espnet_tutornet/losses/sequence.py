"""CTC towards a token sequence: the teacher's hypotheses, or a transcript."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from espnet_tutornet.losses.hypotheses import best_hypotheses, greedy_hypotheses
from espnet_tutornet.losses.masking import check_blank_id, make_pad_mask


def ctc_log_probs(logits: Tensor, lens: Tensor) -> Tensor:
    """Take the log softmax in float32 or wider; padding is not read.

    Args:
        logits: (B, T, V); padding may hold anything.
        lens: (B,) valid frames.

    Returns:
        (B, T, V).
    """
    padding = make_pad_mask(lens, logits.size(1)).unsqueeze(-1)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return logits.masked_fill(padding, 0.0).log_softmax(dim=-1, dtype=dtype)


def utterance_ctc(
    log_probs: Tensor, lens: Tensor, labels: Tensor, label_lens: Tensor, blank_id: int
) -> Tensor:
    """Compute the CTC loss of each utterance, summed over its labels.

    Args:
        log_probs: (B, T, V) of :func:`ctc_log_probs`.
        lens: (B,) valid frames.
        labels: (B, L) token ids, without blank; padding may hold anything.
        label_lens: (B,).
        blank_id: index of ``<blank>`` in V.

    Returns:
        (B,); zero, with a gradient of zero, where there is no label, and where there
        are too few frames: CTC needs one for a label, and one between two of a kind.
    """
    losses = F.ctc_loss(
        log_probs.transpose(0, 1),  # (B, T, V) -> (T, B, V)
        labels.masked_fill(make_pad_mask(label_lens, labels.size(1)), 0),
        lens,
        label_lens,
        blank=blank_id,
        reduction="none",
        zero_infinity=True,  # as ESPnet: what has no path teaches nothing
    )
    return losses.masked_fill(label_lens == 0, 0.0)


class SequenceLoss(nn.Module):
    """CTC of the student towards what its teacher understood.

        L = mean_b sum_n w_n CTC(student_b, hypothesis_b,n),   sum_n w_n = 1

    Summed over labels, averaged over utterances, as ESPnet's CTC loss. w_n is the
    teacher's probability of the hypothesis among the n best. An empty hypothesis, and
    one that does not fit into the student's frames, counts zero.

    Args:
        nbest: hypotheses; 1 is the likeliest token of each frame, collapsed, more are
            searched (:func:`best_hypotheses`).

    Raises:
        ValueError: ``nbest`` is no whole number >= 1.

    Source:
        Idea: sequence-level distillation, Kim & Rush, arXiv 1606.07947. CTC as its
        loss and greedy hypotheses: a usual baseline. Weights, search and what counts
        zero: ours.

    Example:
        >>> teacher = torch.tensor([[[0.1, 0.9], [0.8, 0.2]]]).log()  # says 1
        >>> student = torch.zeros(1, 2, 2)  # three of four paths spell 1
        >>> lens = torch.tensor([2])
        >>> round(float(SequenceLoss()(student, lens, teacher, lens).exp()), 4)
        1.3333
    """

    def __init__(self, nbest: int = 1):
        super().__init__()
        if not (type(nbest) is int and nbest >= 1):
            raise ValueError(
                f"nbest must be a number of hypotheses, 1 or more, got {nbest!r}."
            )
        self.nbest = nbest

    def forward(
        self,
        student_logits: Tensor,
        student_lens: Tensor,
        teacher_log_probs: Tensor,
        teacher_lens: Tensor,
        blank_id: int = 0,
    ) -> Tensor:
        """Compute the loss; the two sides need not have the same frames.

        Args:
            student_logits: (B, T_student, V), as in :class:`SoftmaxLoss`.
            student_lens: (B,) valid student frames.
            teacher_log_probs: (B, T_teacher, V), as there, but not aligned.
            teacher_lens: (B,) valid teacher frames.
            blank_id: index of ``<blank>`` in V.

        Raises:
            ValueError: the numbers of tokens differ, or ``blank_id`` is none of them.
        """
        sizes = student_logits.size(-1), teacher_log_probs.size(-1)
        if sizes[0] != sizes[1]:
            raise ValueError(
                "student and teacher must have the same tokens, got "
                f"{sizes[0]} and {sizes[1]} tokens. See token_list."
            )
        check_blank_id(blank_id, teacher_log_probs)
        given = (teacher_log_probs.detach(), teacher_lens, blank_id)
        if self.nbest == 1:
            found = greedy_hypotheses(*given)
        else:
            found = best_hypotheses(*given, self.nbest)
        log_probs = ctc_log_probs(student_logits, student_lens)
        total = log_probs.new_zeros(())
        for labels, lens, weights in zip(*(x.unbind(dim=1) for x in found)):
            losses = utterance_ctc(log_probs, student_lens, labels, lens, blank_id)
            total = total + (weights * losses).sum()
        return total / student_logits.size(0)
