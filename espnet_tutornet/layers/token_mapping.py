"""From a teacher's tokens to those of a student, which are some of them."""

from typing import Optional, Sequence

import torch
from torch import Tensor

from espnet_tutornet.utils.config import choose

BLANK, UNK = "<blank>", "<unk>"  # ESPnet's names
UNSEEN = dict.fromkeys(("unk", "renormalise"))  # what becomes of the other tokens
LEAST_PROBABILITY = 1e-8  # below: the logarithm of what was rounded to nothing


class TokenMapping:
    """Carry posteriors over a teacher's V tokens to the W that the student has.

        unk:          p(w) stays, p(<unk>) = 1 - sum of all other p(w)
        renormalise:  p(w) / sum of all p(w)

    The second leaves out what the teacher gives to tokens that the student lacks. Where
    that is nearly all, what remains is noise.

    Args:
        student: its token list.
        teacher: its token list; the student's is part of it, in the same order.
        blank_id: index of blank in the teacher's, whatever its name is there.
        unseen: ``unk`` or ``renormalise``.

    Attributes:
        token_list: the student's.
        blank_id: index of ``<blank>`` in it.

    Raises:
        ValueError: another ``unseen``, a token that the teacher lacks or has earlier,
            or no ``<unk>``.

    Source:
        Ours.

    Example:
        >>> teacher = ["<blank>", "<unk>", "a", "b"]
        >>> mapping = TokenMapping(["<blank>", "<unk>", "b"], teacher)
        >>> probs = torch.tensor([0.5, 0.0, 0.25, 0.25])
        >>> mapping.map_all(probs.log()).exp().tolist()
        [0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        student: Sequence[str],
        teacher: Sequence[str],
        blank_id: int = 0,
        unseen: str = "unk",
    ):
        choose("unseen", UNSEEN, unseen)
        self.renormalises = unseen == "renormalise"
        names = _with_blank(teacher, blank_id)
        if not is_part(student, names) or UNK not in student:
            raise ValueError(
                f"the student's {len(student)} tokens must be some of the teacher's "
                f"{len(names)}, in the same order and with {UNK}. Make them from the "
                "teacher's (run.sh --student_tokens seen)."
            )
        self.token_list = list(student)
        self.blank_id, self.unk_id = student.index(BLANK), student.index(UNK)
        places = {name: index for index, name in enumerate(names)}
        self.sources = torch.tensor([places[name] for name in student])  # (W,)
        # teacher id -> student id; of a token that the student lacks: <unk>
        self.places = torch.full((len(names),), self.unk_id)
        self.places[self.sources] = torch.arange(len(student))

    def map_all(self, log_probs: Tensor) -> Tensor:
        """Map posteriors of all tokens: (..., V) natural log -> (..., W)."""
        kept = log_probs.index_select(-1, self._on(log_probs.device).sources)
        if self.renormalises:
            return kept.log_softmax(-1)
        others = kept.exp()
        others[..., self.unk_id] = 0.0
        kept[..., self.unk_id] = _log(1.0 - others.sum(-1))
        return kept

    def map_kept(self, ids: Tensor, probs: Tensor, share: Tensor) -> Tensor:
        """Map posteriors of a few tokens, without a tensor of all V.

        Args:
            ids: (B, T, k) the teacher's, each once.
            probs: (B, T, k) their probabilities.
            share: (B, T, 1) probability of each token that is not among them.

        Returns:
            (B, T, W) natural log; what :meth:`map_all` makes of the same posteriors.
        """
        places, size = self._on(ids.device).places[ids], len(self.token_list)
        named = places != self.unk_id  # the student has it, and it is not <unk>
        count = size - 1 - named.sum(-1, keepdim=True)  # others of these
        others = probs.where(named, 0.0).sum(-1, keepdim=True) + count * share
        unk = 1.0 - others  # (B, T, 1)
        if self.renormalises:
            own = ids == self.sources[self.unk_id]
            unk = torch.where(own, probs, 0.0).sum(-1, keepdim=True)
            unk = unk + share.masked_fill(own.any(-1, keepdim=True), 0.0)
            total = (others + unk).clamp_min(LEAST_PROBABILITY)
            probs, share, unk = probs / total, share / total, unk / total
        # a copy: the expanded tensor shares its memory along W
        mapped = (
            _log(share).expand(*ids.shape[:2], size).scatter(-1, places, _log(probs))
        )
        mapped[..., self.unk_id] = _log(unk).squeeze(-1)
        return mapped

    def find_ids(self, text: Tensor) -> Tensor:
        """Return the teacher's ids of the student's; negative ones stay (padding)."""
        sources = self._on(text.device).sources
        return sources[text.clamp_min(0)].where(text >= 0, text)

    def _on(self, device: torch.device) -> "TokenMapping":
        """Move the tables to a device; they stay there."""
        if self.places.device != device:
            self.places = self.places.to(device)
            self.sources = self.sources.to(device)
        return self


def find_mapping(
    student: Sequence[str],
    teacher: Sequence[str],
    blank_id: int = 0,
    unseen: str = "unk",
) -> Optional[TokenMapping]:
    """Return the mapping between two token lists, None where there is none to make.

    That is where they are the same, and where the student's is no part of the
    teacher's in the same order: an own list of pieces that the teacher has, too, spells
    words in another way.

    Example:
        >>> find_mapping(["<blank>", "<unk>", "a"], ["<blank>", "a", "<unk>"])
    """
    names = _with_blank(teacher, blank_id)
    fits = is_part(student, names) and BLANK in student and UNK in student
    if list(student) == names or not fits:
        return None
    return TokenMapping(student, teacher, blank_id, unseen)


def is_part(student: Sequence[str], teacher: Sequence[str]) -> bool:
    """Tell whether all tokens are among others, in the same order.

    Example:
        >>> is_part(["a", "c"], ["a", "b", "c"]), is_part(["c", "a"], ["a", "b", "c"])
        (True, False)
    """
    left = iter(teacher)
    return all(token in left for token in student)


def _with_blank(teacher: Sequence[str], blank_id: int) -> Sequence[str]:
    return [BLANK if i == blank_id else name for i, name in enumerate(teacher)]


def _log(probs: Tensor) -> Tensor:
    return probs.clamp_min(LEAST_PROBABILITY).log()
