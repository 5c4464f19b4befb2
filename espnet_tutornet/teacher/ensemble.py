"""Several teachers that speak as one."""

from typing import Callable, Dict, List, Mapping, Sequence

import editdistance
import torch
from torch import Tensor

from espnet_tutornet.data.tokens import spell_words
from espnet_tutornet.layers.align import align_posteriors
from espnet_tutornet.layers.ctc_path import collapse_path
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.utils.config import choose

LEAST_WEIGHT = 0.01  # of a teacher that has every word wrong


class TeacherEnsemble:
    """Combine the posteriors of several teachers, utterance by utterance.

    The first teacher leads: the others are aligned to its frames, and hidden states are
    its own (those of networks of different kinds have nothing in common to average).

    Rules, on probabilities p_m of the teachers m:
        ``average``: the mean.
        ``weighted``: the mean with weights that fall with the teacher's WER on the
            utterance, max(1 - WER_m, 0.01), normalised.
        ``best``: the teacher with the lowest WER on the utterance; the first of equals.

    WER is that of the greedy CTC path against the transcript; an utterance without one
    counts as equal for all.

    Args:
        members: name -> teacher; all callable on a batch.
        combine: one of the rules.

    Raises:
        ValueError: an unknown rule, fewer than two members, token lists or sampling
            rates that differ.

    Source:
        The rules are ours; weighting and choosing by WER after Gao et al., Distilling
        knowledge from ensembles of acoustic models, https://arxiv.org/abs/2005.09310.
    """

    def __init__(self, members: Mapping[str, Callable], combine: str = "average"):
        self.weigh = choose("combine", RULES, combine)
        self.members = dict(members)
        if len(self.members) < 2:
            raise ValueError(
                f"an ensemble needs two teachers or more, got {list(members)}."
            )
        first, lead = next(iter(self.members.items()))
        for name, member in self.members.items():
            _check_equal(first, lead, name, member)
        self.sizes, self.frame_shift, self.fs = lead.sizes, lead.frame_shift, lead.fs
        self.token_list, self.blank_id = lead.token_list, lead.blank_id

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> TeacherOutputs:
        """Ask all teachers about a batch and combine what they say.

        Args:
            batch: what the members need, and ``text`` (B, L), ``text_lengths`` (B,).
        """
        said = [member(batch) for member in self.members.values()]
        lead = said[0]
        if lead.log_probs is None:
            return lead
        weights = self.weigh(self._errors(said, batch))  # (M, B)
        frames = lead.log_probs.size(1)
        aligned = [lead.log_probs]
        for other in said[1:]:
            ratio = lead.frame_shift / other.frame_shift
            aligned.append(
                align_posteriors(
                    other.log_probs, other.lens, ratio, frames, self.blank_id
                )
            )
        decoded = [other.decoder_log_probs for other in said]
        return TeacherOutputs(
            lead.lens,
            lead.hidden,
            _mix(aligned, weights),
            lead.frame_shift,
            None if decoded[0] is None else _mix(decoded, weights),
        )

    def _errors(
        self, said: Sequence[TeacherOutputs], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Measure the WER of each teacher on each utterance, (M, B)."""
        errors = torch.zeros(len(said), len(said[0].lens))
        if self.weigh is weigh_alike:
            return errors  # nobody reads them
        ends = zip(batch["text"].tolist(), batch["text_lengths"].tolist())
        references = [self._words(ids[:length]) for ids, length in ends]
        for m, outputs in enumerate(said):
            paths = outputs.log_probs.argmax(-1)
            for b, reference in enumerate(references):
                path = paths[b, : int(outputs.lens[b])]
                words = self._words(collapse_path(path, self.blank_id))
                if reference:
                    wrong = editdistance.eval(words, reference)
                    errors[m, b] = wrong / len(reference)
        return errors

    def _words(self, ids: Sequence[int]) -> List[str]:
        return spell_words(self.token_list[i] for i in ids)


def _mix(log_probs: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Average probabilities: M of (B, T, V) with weights (M, B) -> (B, T, V)."""
    stacked = torch.stack(list(log_probs))
    weighted = stacked + weights.to(stacked.device).log()[:, :, None, None]
    return weighted.logsumexp(dim=0)


def weigh_alike(errors: Tensor) -> Tensor:
    """Give every teacher the same weight: (M, B) -> (M, B), sum 1 over M."""
    return torch.full_like(errors, 1.0 / len(errors))


def weigh_by_errors(errors: Tensor) -> Tensor:
    """Give a teacher weight in proportion to max(1 - WER, 0.01).

    Example:
        >>> weigh_by_errors(torch.tensor([[0.0], [0.5], [0.5]])).flatten().tolist()
        [0.5, 0.25, 0.25]
    """
    weights = (1.0 - errors).clamp_min(LEAST_WEIGHT)
    return weights / weights.sum(dim=0)


def choose_best(errors: Tensor) -> Tensor:
    """Give all weight to the teacher with the lowest WER, the first of equals.

    Example:
        >>> choose_best(torch.tensor([[0.5, 0.1], [0.2, 0.1]])).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    best = errors.argmin(dim=0, keepdim=True)
    return torch.zeros_like(errors).scatter_(0, best, 1.0)


RULES: Dict[str, Callable[[Tensor], Tensor]] = {
    "average": weigh_alike,
    "weighted": weigh_by_errors,
    "best": choose_best,
}


def _check_equal(first: str, lead: Callable, name: str, member: Callable) -> None:
    if list(lead.token_list) != list(member.token_list):
        raise ValueError(
            f"teachers {first} and {name} have different token lists "
            f"({len(lead.token_list)} and {len(member.token_list)} tokens): posteriors "
            "of different tokens cannot be combined. Choose teachers that share one."
        )
    if None not in (lead.fs, member.fs) and lead.fs != member.fs:
        raise ValueError(
            f"teacher {first} was trained at {lead.fs} Hz and {name} at {member.fs} "
            "Hz, but both hear the same audio. Choose teachers of one rate."
        )
