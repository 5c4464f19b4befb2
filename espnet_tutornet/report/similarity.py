"""How alike two networks represent the same frames."""

import math
from typing import List, Tuple

import numpy as np


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the linear centred kernel alignment of two representations.

    It is 1 where one is a rotation of the other, scaled and shifted, 0 where nothing in
    one can be read off the other by a linear map, and does not ask for equal widths.

    Args:
        first: (N, D1), a row a frame.
        second: (N, D2), the same frames.

    Returns:
        A number in [0, 1]; NaN where either does not change from frame to frame,
        or there is no frame.

    Raises:
        ValueError: the numbers of frames differ.

    Source:
        Kornblith et al., arXiv 1905.00414.

    Example:
        >>> frames = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]])
        >>> round(linear_cka(frames, 3.0 * frames[:, ::-1] + 5.0), 6)
        1.0
    """
    if len(first) != len(second):
        raise ValueError(f"expected the same frames, got {len(first)}, {len(second)}.")
    if not len(first):
        return math.nan
    first, second = (x - x.mean(axis=0) for x in (first, second))
    norms = [np.linalg.norm(x.T @ x) for x in (first, second)]
    if not all(norms):
        return math.nan
    return float(np.linalg.norm(first.T @ second) ** 2 / (norms[0] * norms[1]))


def match_frames(ours: Tuple[int, float], theirs: Tuple[int, float]) -> List[int]:
    """Return for each of our frames theirs whose centre is nearest.

    Args:
        ours: number of frames and their distance in milliseconds.
        theirs: the same.

    Example:
        >>> match_frames((4, 20.0), (2, 40.0))
        [0, 0, 1, 1]
    """
    (count, shift), (limit, their_shift) = ours, theirs
    times = (np.arange(count) + 0.5) * shift / their_shift - 0.5
    return np.clip(np.ceil(times - 0.5), 0, limit - 1).astype(int).tolist()
