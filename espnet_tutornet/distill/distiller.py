"""Add up the distillation terms of one batch."""

from typing import Dict, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

from espnet_tutornet.distill.term import Aligned
from espnet_tutornet.distill.terms import TERMS, kind_of
from espnet_tutornet.layers.align import (
    align_hidden,
    align_posteriors,
    delay_frames,
    valid_lens,
)
from espnet_tutornet.losses import make_pad_mask
from espnet_tutornet.outputs import StudentOutputs, TeacherOutputs
from espnet_tutornet.utils.config import build


class Distiller(nn.Module):
    """The terms of ``distill_conf``, on teacher outputs aligned to the student.

    Args:
        terms: term name -> its yaml block; see :func:`kind_of`.
        student_sizes: layer name -> width, of the student.
        teacher_sizes: layer name -> width, of the teacher.
        blank_id: index of ``<blank>`` in the teacher's V.
        delay: student frames by which it learns to be later than its teacher. A
            streaming student has not heard yet what a full-context teacher knows
            (Delayed-KD, arXiv 2505.22069). Its first ``delay`` frames have no target.
        vocab_size: the teacher's V; for terms with an output layer of their own.

    Raises:
        ValueError: an unknown term or key, or a delay that is no whole number >= 0.
    """

    def __init__(
        self,
        terms: Mapping[str, dict],
        student_sizes: Mapping[str, int],
        teacher_sizes: Mapping[str, int],
        blank_id: int,
        delay: int = 0,
        vocab_size: Optional[int] = None,
    ):
        super().__init__()
        if not (type(delay) is int and delay >= 0):
            raise ValueError(
                "distill_conf: delay must be a number of student frames, 0 or more, "
                f"got {delay!r}."
            )
        self.delay = delay
        self.blank_id = blank_id
        self.terms = nn.ModuleDict()
        known = dict(
            student_sizes=student_sizes,
            teacher_sizes=teacher_sizes,
            vocab_size=vocab_size,
        )
        for name, conf in terms.items():
            factory = TERMS[kind_of(name)]
            given = {key: known[key] for key in factory.given}
            what = f"distill_conf: terms: {name}"
            self.terms[name] = build(what, factory, conf, **given)
        self.scheduled = [n for n, term in self.terms.items() if term.schedule]
        if self.scheduled:
            # in the checkpoint, so that a resumed training goes on where it was
            self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.student_layers = _layers(self.terms.values(), "student_layer")
        self.needs_logits = any(term.needs_logits for term in self.terms.values())
        self.needs_head_logits = any(t.needs_head_logits for t in self.terms.values())
        self.needs_decoder = any(term.needs_decoder for term in self.terms.values())
        self.needs_lattice = any(term.needs_lattice for term in self.terms.values())

    def forward(
        self, student: StudentOutputs, teacher: TeacherOutputs
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Align the teacher, then add up the terms.

        In training mode it counts the batches for the schedules, if there are any.

        Returns:
            The weighted sum, and ``loss_<name>`` of each term before its weight, with
            the term's suffix; of a term with a schedule also ``weight_<name>``, that of
            this batch.
        """
        aligned = self._align(student, teacher)
        losses = {name: term(student, aligned) for name, term in self.terms.items()}
        weights = self._weights()
        total = sum(weights[name] * loss for name, loss in losses.items())
        stats = {
            f"loss_{name}{self.terms[name].suffix}": loss.detach()
            for name, loss in losses.items()
        }
        for name in self.scheduled:
            stats[f"weight_{name}"] = total.new_tensor(weights[name]).detach()
        return total, stats

    def _align(self, student: StudentOutputs, teacher: TeacherOutputs) -> Aligned:
        ratio = student.frame_shift / teacher.frame_shift
        max_len = student.hidden["last"].size(1)
        lens = valid_lens(student.lens, teacher.lens, ratio)
        pad_mask = make_pad_mask(
            torch.minimum(lens + self.delay, student.lens), max_len
        )
        pad_mask[:, : self.delay] = True
        hidden = {
            name: delay_frames(
                align_hidden(x, teacher.lens, ratio, max_len), self.delay
            )
            for name, x in teacher.hidden.items()
        }
        log_probs = teacher.log_probs
        if log_probs is not None:
            log_probs = align_posteriors(
                log_probs, teacher.lens, ratio, max_len, self.blank_id
            )
            log_probs = delay_frames(log_probs, self.delay)
        aligned = (hidden, log_probs, pad_mask, self.blank_id, teacher)
        return Aligned(*aligned, delay=self.delay)

    def _weights(self) -> Dict[str, float]:
        """Return the weight of each term in this batch; count it in training mode."""
        batches = int(self.batches) if self.scheduled else 0
        if self.scheduled and self.training:
            self.batches += 1
        return {name: term.weight_at(batches) for name, term in self.terms.items()}


class TermNeeds(NamedTuple):
    """What the terms of a yaml block read."""

    student_layers: Tuple[str, ...]
    teacher_layers: Tuple[str, ...]
    posteriors: bool
    decoder: bool = False
    lattice: bool = False


def term_needs(terms: Mapping[str, dict]) -> TermNeeds:
    """Tell what student and teacher must report for the yaml block ``terms``.

    Example:
        >>> term_needs({"rkd": {"frame_weights": "none"}}).teacher_layers
        ('last',)
    """
    sizes = _Sizes()
    built = Distiller(terms, sizes, sizes, blank_id=0, vocab_size=1).terms.values()
    return TermNeeds(
        student_layers=_layers(built, "student_layer"),
        teacher_layers=_layers(built, "teacher_layer"),
        posteriors=any(term.needs_posteriors for term in built),
        decoder=any(term.needs_decoder for term in built),
        lattice=any(term.needs_lattice for term in built),
    )


class _Sizes(dict):
    """Widths for a dry build: every layer is one wide."""

    def __missing__(self, key: str) -> int:
        return 1


def _layers(terms, attribute: str) -> Tuple[str, ...]:
    names = [getattr(term, attribute) for term in terms]
    return tuple(dict.fromkeys(name for name in names if name is not None))
