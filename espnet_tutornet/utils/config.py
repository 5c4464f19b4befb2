"""Build an object from a yaml block whose keys are constructor arguments."""

import inspect
from typing import Any, Callable, Mapping, Optional


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


def build(
    kind: str, factory: Callable, conf: Optional[Mapping[str, Any]], **given: Any
) -> Any:
    """Call ``factory(**given, **conf)`` after checking the keys of ``conf``.

    Args:
        kind: what is built, for the error message.
        factory: class or function; its parameters are the known keys.
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
        known = set(inspect.signature(factory).parameters) - set(given)
        check_keys(kind, known, conf)
    return factory(**given, **conf)
