"""Characters that nobody sees: spaces of all kinds, marks of format, controls."""

import unicodedata

INVISIBLE = ("Zs", "Zl", "Zp", "Cc", "Cf")  # categories of Unicode


def find_invisible(text: str) -> str:
    """Name the invisible characters of a text, each once.

    Example:
        >>> find_invisible("a" + chr(160))
        'U+00A0'
    """
    found = dict.fromkeys(c for c in text if unicodedata.category(c) in INVISIBLE)
    return " ".join(f"U+{ord(char):04X}" for char in found)


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in a text."""
    return all(unicodedata.category(char) in INVISIBLE for char in text)
