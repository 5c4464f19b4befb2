"""Read the statistics of a checkpoint without its tensors, and without torch.

``torch.load`` with ``weights_only`` would do, but torch alone takes half a gigabyte of
memory, for a few numbers.
"""

import datetime
import math
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Dict, Tuple, Type

import numpy as np

PROBLEMS: Tuple[Type[Exception], ...] = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)


class Ignored:
    """What stands for an object of any class but those of numbers: it does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state) -> None:
        """Forget the state."""

    def __setitem__(self, key, value):
        pass

    def append(self, item) -> None:
        """Forget an item."""

    def extend(self, items) -> None:
        """Forget items."""


class NumberType:
    """What stands for ``numpy.dtype``: ``f8`` and the byte order."""

    def __init__(self, name: str, *flags: Any):
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order over."""
        self.order = state[1].replace("|", "=")


def make_number(kind: NumberType, data: bytes) -> float:
    """Return a numpy scalar as a number, NaN for what is not one."""
    if not re.fullmatch(r"[fiub][1248]", kind.name):
        return math.nan
    return np.frombuffer(data, kind.order + kind.name)[0].item()


def encode_latin(text: str, encoding: str) -> bytes:
    """Return bytes that pickle wrote as text."""
    return text.encode("latin1")


KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("datetime", "timedelta"): datetime.timedelta,
    ("numpy", "dtype"): NumberType,
    ("numpy._core.multiarray", "scalar"): make_number,
    ("numpy.core.multiarray", "scalar"): make_number,
    ("_codecs", "encode"): encode_latin,
}


class NumbersOnly(pickle.Unpickler):
    """Unpickle dicts, lists and numbers; anything else becomes :class:`Ignored`."""

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up here: nothing is imported."""
        return KNOWN.get((module, name), Ignored)

    def persistent_load(self, pid: Any) -> None:
        """Leave the values of tensors on the disk."""


def load_statistics(checkpoint: Path) -> Dict[int, Dict[str, Dict]]:
    """Read what ESPnet's reporter kept in ``checkpoint.pth``.

    Nothing in it is executed, whatever it holds.

    Returns:
        Epoch -> mode -> key -> value.

    Raises:
        ValueError: it is damaged, or holds no statistics.
    """
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            names = archive.namelist()
            name = next(name for name in names if name.endswith("/data.pkl"))
            with archive.open(name) as f:
                stats = NumbersOnly(f).load()["reporter"]["stats"]
        if isinstance(stats, dict) and all(isinstance(e, dict) for e in stats.values()):
            return stats
        reason = type(stats).__name__
    except PROBLEMS as error:
        reason = f"{type(error).__name__}: {error}"
    raise ValueError(
        f"{checkpoint}: expected statistics of an ESPnet training, got {reason}. "
        "Train the run anew."
    )
