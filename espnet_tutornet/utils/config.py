"""Build an object from a yaml block whose keys are constructor arguments."""

import inspect
from typing import Any, Callable, Mapping, Optional, Set


def choose(kind: str, choices: Mapping[str, Any], name: str) -> Any:
    """Return ``choices[name]``.

    Raises:
        ValueError: ``name`` is unknown; the message lists the known names.
    """
    if name not in choices:
        raise ValueError(f"{kind} must be one of {sorted(choices)}, got {name!r}.")
    return choices[name]


def check_keys(kind: str, known: Any, conf: Mapping[str, Any]) -> None:
    """Refuse keys of ``conf`` that are not in ``known``.

    Raises:
        ValueError: an unknown key; the message lists the known ones.
    """
    unknown = sorted(set(conf) - set(known))
    if unknown:
        raise ValueError(
            f"{kind}: unknown keys {unknown}. Known keys: {sorted(known)}."
        )


def find_keys(factory: Callable) -> Set[str]:
    """Name the arguments of a class or function, as a yaml block may give them.

    One that ends in ``**others`` says in its attribute ``passes_to`` who gets these.
    Then the arguments with a default of that one count as its own.

    Example:
        >>> class Box:
        ...     def __init__(self, content, lid="closed"): ...
        >>> class Parcel:
        ...     passes_to = Box
        ...     def __init__(self, address, **box): ...
        >>> sorted(find_keys(Parcel))
        ['address', 'lid']
    """
    parameters = inspect.signature(factory).parameters.values()
    keys = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
    receiver = getattr(factory, "passes_to", None)
    if len(keys) < len(parameters) and receiver is not None:
        inner = inspect.signature(receiver).parameters.values()
        keys |= {p.name for p in inner if p.default is not p.empty}
    return keys


def build(
    kind: str, factory: Callable, conf: Optional[Mapping[str, Any]], **given: Any
) -> Any:
    """Call ``factory(**given, **conf)`` after checking the keys of ``conf``.

    Args:
        kind: what is built, for the error message.
        factory: class or function; its its :func:`find_keys` are known.
        conf: the yaml block, or None for an empty one.
        given: arguments that the program knows and yaml may not set.

    Raises:
        ValueError: ``conf`` has a key that ``factory`` does not take.

    Example:
        >>> build("adapter", dict, {})
        {}
    """
    conf = dict(conf or {})
    if given or conf:
        check_keys(kind, find_keys(factory) - set(given), conf)
    return factory(**given, **conf)
