"""When a CTC model says its tokens, and when the transcript would have it."""

from dataclasses import dataclass
from typing import List, Sequence, Tuple

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


def force_align(
    log_probs: np.ndarray, targets: Sequence[int], blank_id: int
) -> List[Tuple[int, int]]:
    """Find the likeliest CTC path that says ``targets``.

    Args:
        log_probs: (T, V), natural log.
        targets: (L,) token ids, without blanks.
        blank_id: index of ``<blank>`` in V.

    Returns:
        First frame and the one after the last, of each target.

    Raises:
        ValueError: fewer frames than the path needs, or a target that is blank.
    """
    targets = list(targets)
    repeats = sum(a == b for a, b in zip(targets, targets[1:]))
    if blank_id in targets:
        raise ValueError(f"targets must not hold the blank, {blank_id}: {targets}.")
    if len(log_probs) < len(targets) + repeats:
        raise ValueError(
            f"{len(targets)} tokens with {repeats} repeats need as many frames in all, "
            f"got {len(log_probs)}. The transcript does not belong to this audio."
        )
    states = [blank_id]
    for target in targets:
        states += [target, blank_id]
    path = _best_path(log_probs[:, states], np.array(states), blank_id)
    spans = []
    for place in range(len(targets)):
        frames = np.flatnonzero(path == 2 * place + 1)
        spans.append((int(frames[0]), int(frames[-1]) + 1))
    return spans


def _best_path(scores: np.ndarray, states: np.ndarray, blank_id: int) -> np.ndarray:
    """Run Viterbi over (T, 2 L + 1) scores; return the state of every frame."""
    frames, size = scores.shape
    skips = np.zeros(size, dtype=bool)  # a blank may be left out between two tokens
    skips[2:] = (states[2:] != blank_id) & (states[2:] != states[:-2])
    best = np.full(size, -np.inf)
    best[:2] = scores[0, :2]
    back = np.zeros((frames, size), dtype=np.int8)
    for frame in range(1, frames):
        steps = np.full((3, size), -np.inf)
        steps[0], steps[1, 1:] = best, best[:-1]
        steps[2, 2:] = np.where(skips[2:], best[:-2], -np.inf)
        back[frame] = steps.argmax(axis=0)
        best = steps.max(axis=0) + scores[frame]
    state = size - 1 if size == 1 or best[-1] >= best[-2] else size - 2
    path = np.empty(frames, dtype=np.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = state
        state -= back[frame, state]
    return path
