"""How the weight of a term changes during a training."""

import math
from typing import Optional, Union

from espnet_tutornet.utils.config import choose


def linear(progress: float, at: float) -> float:
    """Go at an even pace: the progress itself."""
    return progress


def cosine(progress: float, at: float) -> float:
    """Go slowly at both ends: (1 - cos(pi progress)) / 2."""
    return 0.5 * (1.0 - math.cos(math.pi * progress))


def step(progress: float, at: float) -> float:
    """Jump from 0 to 1 at ``at``."""
    return float(progress >= at)


SCHEDULES = {"linear": linear, "cosine": cosine, "step": step}


class WeightSchedule:
    """A weight that goes from one value to another over a number of batches.

        weight(n) = weight + share(min(n / steps, 1)) * (final - weight)

    n is the number of training batches before this one; after ``steps`` of them the
    weight stays at ``final``.

    Args:
        weight: at the first batch.
        kind: a key of ``SCHEDULES``.
        final: weight at the end, 0.0 or more; a term of weight 0 teaches nothing but is
            still computed and logged.
        steps: training batches until ``final``. Batches are counted, not optimizer
            steps: ``accum_grad`` does not divide them. ``auto`` is the whole training,
            a number that the recipe puts in.
        at: share of ``steps`` at which ``step`` jumps, in [0, 1]; for ``step`` alone
            (default 0.5).

    Raises:
        ValueError: unknown kind, a value out of range, ``auto`` left in, ``at``
            without ``step``.

    Source:
        Ours, all of it.

    Example:
        >>> schedule = WeightSchedule(1.0, kind="linear", final=0.0, steps=10)
        >>> [schedule(n) for n in (0, 5, 10, 99)]
        [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(
        self,
        weight: float,
        kind: str = "linear",
        final: float = 0.0,
        steps: Union[int, str] = "auto",
        at: Optional[float] = None,
    ):
        self.share = choose("schedule: kind", SCHEDULES, kind)
        if not (_is_number(final) and 0.0 <= final < math.inf):
            raise ValueError(
                f"schedule: final must be a number, 0 or more, got {final!r}."
            )
        if steps == "auto":
            raise ValueError(
                "schedule: steps is auto, expected a number of training batches. "
                "The recipe puts it in: train with the train.yaml that it writes, or "
                "give the number."
            )
        if not (type(steps) is int and steps > 0):
            raise ValueError(
                "schedule: steps must be a number of training batches, 1 or more, or "
                f"auto, got {steps!r}."
            )
        if at is not None and kind != "step":
            raise ValueError(
                f"schedule: at is for kind: step alone, got it with {kind}. Remove it."
            )
        if at is not None and not (_is_number(at) and 0.0 <= at <= 1.0):
            raise ValueError(f"schedule: at must be in [0, 1], got {at!r}.")
        self.weight, self.final, self.steps = weight, final, steps
        self.at = 0.5 if at is None else at

    def __call__(self, batches: int) -> float:
        """Return the weight after ``batches`` training batches."""
        progress = min(batches / self.steps, 1.0)
        share = self.share(progress, self.at)
        return (1.0 - share) * self.weight + share * self.final


def _is_number(value) -> bool:
    return type(value) in (int, float)
