"""Two things at once: what is made, and what is done with it."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Deque, Iterable, Iterator, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
BEHIND = 32  # utterances: a batch or two of them


def work_behind(
    work: Callable[[Item], Result], items: Iterable[Item], behind: int = BEHIND
) -> Iterator[Result]:
    """Work on items in a thread of its own, while the next ones are made.

    Args:
        work: turns an item into a result.
        items: made by the calling thread.
        behind: the most items that wait, for their memory.

    Yields:
        The results, in order; an error comes where its result would.

    Example:
        >>> list(work_behind(len, ["a", "bc"]))
        [1, 2]
    """
    with ThreadPoolExecutor(1) as pool:
        waiting: Deque[Future] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > behind:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
