"""A teacher that speaks in the student's tokens, which are some of its own."""

from dataclasses import replace
from typing import Any, Callable, Mapping, Optional, Sequence

from torch import Tensor

from espnet_tutornet.layers.token_mapping import TokenMapping, find_mapping
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.ensemble import TeacherEnsemble


class MappedTeacher:
    """Map the posteriors of a teacher, whatever it is.

    Args:
        teacher: callable on a batch, with ``sizes``, ``frame_shift`` and ``fs``.
        mapping: from its tokens to the student's.
    """

    def __init__(self, teacher: Any, mapping: TokenMapping):
        self.teacher, self.mapping = teacher, mapping
        self.sizes, self.frame_shift, self.fs = (
            teacher.sizes,
            teacher.frame_shift,
            teacher.fs,
        )
        self.token_list, self.blank_id = mapping.token_list, mapping.blank_id

    def __call__(self, batch: Mapping[str, Tensor]) -> TeacherOutputs:
        """Ask the teacher about a batch, whose ``text`` is the student's."""
        if "text" in batch:
            batch = {**batch, "text": self.mapping.find_ids(batch["text"])}
        outputs = self.teacher(batch)
        return replace(
            outputs,
            log_probs=_map(self.mapping.map_all, outputs.log_probs),
            decoder_log_probs=_map(self.mapping.map_all, outputs.decoder_log_probs),
        )


class MappedForm:
    """Read kept posteriors as those of the student's tokens.

    Args:
        form: of the cache, :class:`PosteriorForm`.
        mapping: from the teacher's tokens to the student's.
    """

    def __init__(self, form: Any, mapping: TokenMapping):
        self.form, self.mapping, self.columns = form, mapping, form.columns

    def decode(self, matrix: Tensor) -> Tensor:
        """Turn what was kept, (B, T, C), into log probabilities (B, T, W)."""
        if self.form.keeps_all:
            return self.mapping.map_all(self.form.decode(matrix))
        return self.mapping.map_kept(*self.form.read(matrix))


def map_teacher(tutor: Any, student: Sequence[str], unseen: str = "unk") -> Any:
    """Have a teacher speak in the student's tokens, where they are some of its own.

    Of a cache the few tokens kept are mapped before they become a (B, T, W) tensor; of
    several teachers each is mapped, as they share one token list.

    Args:
        tutor: a teacher; one from a cache, or several, are changed in place.
        student: the student's token list.
        unseen: see :class:`TokenMapping`.

    Returns:
        A teacher. It is the same where the token lists are the same, and where there
        is no mapping.
    """
    mapping = find_mapping(student, tutor.token_list, tutor.blank_id, unseen)
    return tutor if mapping is None else _apply(tutor, mapping)


def _apply(tutor: Any, mapping: TokenMapping) -> Any:
    if isinstance(tutor, TeacherEnsemble):
        members = tutor.members.items()
        tutor.members = {name: _apply(member, mapping) for name, member in members}
    elif isinstance(tutor, CachedTeacher):
        posteriors = tutor.forms.get("posteriors")
        if posteriors is not None:
            tutor.forms["posteriors"] = MappedForm(posteriors, mapping)
        if tutor.substitute is not None:
            tutor.substitute = MappedTeacher(tutor.substitute, mapping)
    else:
        return MappedTeacher(tutor, mapping)
    tutor.token_list, tutor.blank_id = mapping.token_list, mapping.blank_id
    return tutor


def _map(
    function: Callable[[Tensor], Tensor], log_probs: Optional[Tensor]
) -> Optional[Tensor]:
    return None if log_probs is None else function(log_probs)
