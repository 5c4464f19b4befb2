"""Memory of tensor operations, counted exactly."""

from typing import Dict

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """The most bytes alive at once in storages made inside the block.

    Attributes:
        peak: bytes; set it to 0 to start anew.

    Example:
        >>> with PeakMemory() as memory:
        ...     x = torch.zeros(10) + 1.0
        >>> memory.peak
        80
    """

    def __init__(self):
        super().__init__()
        self.alive: Dict[int, tuple] = {}
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run the operator, then count what is alive."""
        result = func(*args, **(kwargs or {}))
        given = {_id(x) for x in tree_leaves((args, kwargs)) if torch.is_tensor(x)}
        for x in tree_leaves(result):
            if torch.is_tensor(x) and _id(x) not in given:
                storage = x.untyped_storage()
                self.alive[_id(x)] = StorageWeakRef(storage), storage.nbytes()
        self.alive = {k: v for k, v in self.alive.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return result


def _id(x: torch.Tensor) -> int:
    return x.untyped_storage()._cdata
