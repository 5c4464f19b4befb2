"""CTC's best path: what the likeliest token of each frame spells."""

from typing import List

from torch import Tensor


def collapse_path(path: Tensor, blank_id: int) -> List[int]:
    """Merge repeated tokens of a path, then drop its blanks.

    Args:
        path: (T,) token ids.
        blank_id: id of ``<blank>``.

    Example:
        >>> import torch
        >>> collapse_path(torch.tensor([0, 3, 3, 0, 3, 2]), 0)
        [3, 3, 2]
    """
    return [i for i in path.unique_consecutive().tolist() if i != blank_id]
