"""Declare options of a command line: defaults, help, the values that they may have."""

import re
import shlex
from dataclasses import Field, field, fields
from typing import Any, List, Tuple

WIDTH = 26  # of a name in the help
UNSAFE = re.compile(r"[\s,=]")  # paths become words of command lines, parts of lists


class UsageError(ValueError):
    """A command line that cannot be meant."""


def option(default: Any, text: str, choices: Tuple[str, ...] = (), path: bool = False):
    """Return a field: its default, a line of help, the values it may have.

    Args:
        default: of type ``str``, ``int``, 0 or more, or ``bool``.
        text: for ``--help``.
        choices: of a ``str``; none: any.
        path: whether it becomes part of command lines.
    """
    return field(default=default, metadata=dict(text=text, choices=choices, path=path))


def convert(known: Field, value: str) -> Any:
    """Read the word of an option.

    Raises:
        UsageError: it is of another type.
    """
    if known.type is bool:
        if value not in ("true", "false"):
            raise UsageError(
                f"--{known.name} must be true or false, got {value or 'nothing'}."
            )
        return value == "true"
    if known.type is int:
        if not re.fullmatch(r"\d+", value):
            raise UsageError(
                f"--{known.name} must be a number, 0 or more, got {value or 'nothing'}."
            )
        return int(value)
    return value


def check(known: Field, value: Any) -> None:
    """Check the value of an option.

    Raises:
        UsageError: a path that no command line can hold, or none of the choices.
    """
    choices = known.metadata["choices"]
    if known.metadata["path"] and UNSAFE.search(value):
        raise UsageError(
            f"--{known.name} must be a path without spaces, commas and =, got "
            f"'{value}'. Give another, or a link to it."
        )
    if choices and value not in (*choices, known.default):
        raise UsageError(
            f"--{known.name} must be {', '.join(choices[:-1])} or {choices[-1]}, got "
            f"{value or 'nothing'}."
        )


def to_word(value: Any) -> str:
    """Write a value as a word of a command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def format_help(options: Any) -> str:
    """Return the lines of ``--help`` of a dataclass: name, default, text, choices."""
    lines: List[str] = []
    for each in fields(options):
        default = to_word(each.default)
        choices = each.metadata["choices"]
        text = each.metadata["text"]
        text += f" One of: {', '.join(choices)}." if choices else ""
        head = f"--{each.name} {shlex.quote(default)}".ljust(WIDTH)
        lines.append(f"  {head}  {text}")
    return "\n".join(lines)
