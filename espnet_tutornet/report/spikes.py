"""When a CTC model says its tokens, beside when another does."""

from dataclasses import dataclass
from typing import List, Sequence

import numpy as np

from espnet_tutornet.scoring.alignment import align


@dataclass(frozen=True)
class Spike:
    """A token of the greedy CTC path.

    Attributes:
        token: in words, not its number: student and teacher may number differently.
        frame: where it is likeliest.
        probability: there.
    """

    token: str
    frame: int
    probability: float


def find_spikes(
    log_probs: np.ndarray, token_list: Sequence[str], blank_id: int
) -> List[Spike]:
    """Take the best token of every frame, join repeats, leave out blanks.

    Args:
        log_probs: (T, V), natural log.
        token_list: V tokens.
        blank_id: index of ``<blank>`` in V.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
        >>> find_spikes(np.log(p), ["<blank>", "A"], 0)
        [Spike(token='A', frame=2, probability=0.8)]
    """
    best = log_probs.argmax(axis=1)  # (T, V) -> (T,)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    spikes = []
    for start, stop in zip(starts, [*starts[1:], len(best)]):
        token = int(best[start])
        if token == blank_id:
            continue
        frame = start + int(log_probs[start:stop, token].argmax())
        probability = float(np.exp(log_probs[frame, token]))
        spikes.append(Spike(token_list[token], int(frame), round(probability, 6)))
    return spikes


def spike_offsets(
    student: Sequence[Spike],
    teacher: Sequence[Spike],
    student_shift: float,
    teacher_shift: float,
) -> List[float]:
    """Say how much later the student says each token that both say.

    Both token sequences are aligned as the scorer aligns words; a frame stands at its
    centre.

    Args:
        student: spikes of an utterance.
        teacher: those of the teacher.
        student_shift: milliseconds a frame.
        teacher_shift: milliseconds a frame.

    Returns:
        Milliseconds, student minus teacher, a value each token in common.

    Example:
        >>> spike_offsets([Spike("A", 3, 0.9)], [Spike("A", 2, 0.9)], 20.0, 20.0)
        [20.0]
    """
    known = {}  # numbers: the scorer would take a for A
    names = [
        [str(known.setdefault(spike.token, len(known))) for spike in spikes]
        for spikes in (teacher, student)
    ]
    offsets, at_teacher, at_student = [], 0, 0
    for letter in align([names[0]], [names[1]])[0]:
        if letter == "C":
            ours = (student[at_student].frame + 0.5) * student_shift
            theirs = (teacher[at_teacher].frame + 0.5) * teacher_shift
            offsets.append(ours - theirs)
        at_teacher += letter != "I"
        at_student += letter != "D"
    return offsets
