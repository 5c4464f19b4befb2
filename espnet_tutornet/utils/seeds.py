"""Results over seeds: which differ by their seed alone, their mean, their names."""

from operator import attrgetter
from statistics import mean
from typing import Callable, Dict, Iterable, List, Optional, Sequence, TypeVar

T = TypeVar("T")


def group_seeds(
    results: Iterable[T],
    key: Callable[[T], tuple],
    seed: Callable[[T], int] = attrgetter("seed"),
) -> Dict[tuple, List[T]]:
    """Group results that differ by their seed alone.

    Args:
        results: in any order.
        key: everything of a result but its seed.
        seed: its seed.

    Returns:
        Key -> results, both in their order, those of a group by seed.

    Example:
        >>> runs = [("skd", 2), ("none", 1), ("skd", 1)]
        >>> group_seeds(runs, key=lambda run: run[:1], seed=lambda run: run[1])
        {('none',): [('none', 1)], ('skd',): [('skd', 1), ('skd', 2)]}
    """
    groups: Dict[tuple, List[T]] = {}
    for result in sorted(results, key=lambda each: (key(each), seed(each))):
        groups.setdefault(key(result), []).append(result)
    return groups


def known(values: Iterable[Optional[float]]) -> List[float]:
    """Leave out what was not measured."""
    return [value for value in values if value is not None]


def mean_known(values: Iterable[Optional[float]]) -> Optional[float]:
    """Return the mean of what was measured, None where nothing was.

    Example:
        >>> mean_known([1.0, None, 2.0]), mean_known([None])
        (1.5, None)
    """
    found = known(values)
    return mean(found) if found else None


def tell_apart(
    name: str, details: Sequence[str], alike: Iterable[Sequence[str]]
) -> str:
    """Add to a name what tells its row from others with the same name.

    Args:
        name: of the row.
        details: that it may be told apart by; an empty one says nothing.
        alike: the details of all rows with that name, this one among them.

    Example:
        >>> rows = [("9 epochs", "big"), ("16 epochs", "big")]
        >>> [tell_apart("SKD only", row, rows) for row in rows]
        ['SKD only (9 epochs)', 'SKD only (16 epochs)']
    """
    columns = zip(details, zip(*alike))
    parts = [own for own, all_rows in columns if own and len(set(all_rows)) > 1]
    return f"{name} ({', '.join(parts)})" if parts else name
