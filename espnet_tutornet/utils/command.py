"""What every command shares: one clear line instead of a traceback."""

import errno
import functools
import linecache
import os
import shutil
import sys
from pathlib import Path
from typing import Callable

PACKAGE = Path(__file__).resolve().parents[1]
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_foreseen(error: BaseException, *more: str) -> bool:
    """Tell whether an error needs no traceback: its message says what to do.

    Foreseen are an ``OSError`` that names a path or tells of a full disk, and a
    ``ValueError``, ``RuntimeError`` or ``OSError`` that a ``raise`` statement of this
    package made. The same types from inside torch, ESPnet or numpy are not: a shape
    that does not fit, memory of a GPU that ran out. The place tells, and not a class
    of our own: callers see the types that Python has for it, no ``raise`` can be
    written that is forgotten, and an error of a worker elsewhere is told apart, too.

    Args:
        error: as it was caught.
        more: source files whose ``raise`` statements count, too.
    """
    if not isinstance(error, (ValueError, RuntimeError, OSError)):
        return False
    # of files that were copied, or of audio that cannot be read: they name the file
    if isinstance(error, shutil.Error) or type(error).__module__ == "soundfile":
        return True
    if isinstance(error, OSError) and (error.filename or error.errno in FULL_DISK):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    file = trace.tb_frame.f_code.co_filename
    ours = file in more or PACKAGE in Path(file).resolve().parents
    return ours and linecache.getline(file, trace.tb_lineno).split()[:1] == ["raise"]


def exit_on_error(main: Callable) -> Callable:
    """Turn a foreseen error of ``main`` into one line on stderr and status 1.

    What is foreseen is said in :func:`is_foreseen`. Anything else is a defect, or
    comes from a library, and keeps its traceback, as does everything under
    ``TUTORNET_TRACEBACK=1``. Under ``python -O`` no command runs: kaldiio, which reads
    the cache, and ESPnet work in their asserts.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            if not __debug__:
                raise RuntimeError(
                    "expected a Python with asserts, got python -O or PYTHONOPTIMIZE: "
                    "kaldiio and ESPnet do part of their work in asserts. Run without "
                    "-O, and unset PYTHONOPTIMIZE."
                )
            return main(*args, **kwargs)
        except (ValueError, RuntimeError, OSError) as error:
            wanted = os.environ.get("TUTORNET_TRACEBACK") == "1"
            if wanted or not is_foreseen(error, main.__code__.co_filename):
                raise
            spec = sys.modules[main.__module__].__spec__  # of "python -m NAME"
            name = spec.name if spec else sys.argv[0]
            print(f"{name}: error: {error}", file=sys.stderr)
            sys.exit(1)

    return wrapped
