"""A transducer's lattice learns its teacher's, on one path."""

import torch
from torch import Tensor, nn

from espnet_tutornet.losses.masking import check_blank_id, utterance_mean
from espnet_tutornet.utils.config import choose

CRITERIA = {"kl": "the Kullback-Leibler divergence"}


class TransducerLoss(nn.Module):
    """Divergence between what student and teacher say at the nodes of a path.

        L = mean_b sum_n KL(q_n || p_n)

    q and p, the teacher's and the student's, have three values: the probability of
    blank, that of the next label of the transcript, and that of all other tokens. At
    the last nodes, which have no next label, it is two. Summed over nodes, averaged
    over utterances.

    Args:
        criterion: ``kl``.

    Raises:
        ValueError: an unknown criterion.

    Source:
        The three values: Panchapagesan et al., arXiv 2011.06110, over the whole
        lattice. One path instead of it: after Yang et al., arXiv 2110.03334, of which
        the abstract was read. Both together and the reduction: ours.

    Example:
        >>> loss = TransducerLoss()
        >>> logits = torch.zeros(1, 1, 4)  # one node, four tokens
        >>> teacher = torch.tensor([[[0.5, 0.5]]])  # blank or the label
        >>> node = torch.tensor([[2]]), teacher, torch.tensor([[False]])
        >>> round(float(loss(logits, *node)), 4)  # log(0.5 / 0.25)
        0.6931
    """

    def __init__(self, criterion: str = "kl"):
        super().__init__()
        choose("criterion", CRITERIA, criterion)
        self.criterion = criterion

    def forward(
        self,
        node_logits: Tensor,
        next_labels: Tensor,
        teacher_probs: Tensor,
        pad_mask: Tensor,
        blank_id: int = 0,
    ) -> Tensor:
        """Compute the loss.

        Args:
            node_logits: (B, N, V) of the student, before the softmax.
            next_labels: (B, N) token ids; ``blank_id`` where there is none.
            teacher_probs: (B, N, 2) of blank and of the next label, 0 without one.
            pad_mask: (B, N), True on padding.
            blank_id: index of ``<blank>`` in V.

        Returns:
            Scalar.

        Raises:
            ValueError: ``blank_id`` is not in [0, V).
        """
        check_blank_id(blank_id, node_logits)
        padding = pad_mask.unsqueeze(-1)
        # padded nodes may hold anything: NaN times zero is NaN in the gradient
        logits = node_logits.masked_fill(padding, 0.0)
        log_probs = logits.log_softmax(dim=-1, dtype=torch.float32)
        has_label = next_labels != blank_id
        named = torch.stack(
            [torch.full_like(next_labels, blank_id), next_labels], dim=-1
        )  # (B, N, 2)
        student = log_probs.gather(-1, named)
        rest = log_probs.scatter(-1, named, -torch.inf).logsumexp(dim=-1, keepdim=True)
        student = torch.cat([student, rest], dim=-1)  # (B, N, 3)
        teacher = teacher_probs.detach().float()
        label = teacher[..., 1].masked_fill(~has_label, 0.0)
        others = (1.0 - teacher[..., 0] - label).clamp_min(0.0)
        teacher = torch.stack([teacher[..., 0], label, others], dim=-1)
        # 0 log 0 is 0, where a teacher is certain
        divergence = torch.xlogy(teacher, teacher) - teacher * student
        return utterance_mean(divergence.sum(dim=-1), pad_mask)
