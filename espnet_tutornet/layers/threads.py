"""How many threads torch computes in."""

from contextlib import contextmanager
from typing import Iterator

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, for a while.

    Forks of a process that has computed in more may hang: OpenMP's threads do not
    survive one. And one utterance is too little work for several: where other
    processes want the cores, too, they wait for each other.

    Example:
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
