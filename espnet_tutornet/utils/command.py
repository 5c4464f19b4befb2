"""What every command shares: one clear line instead of a traceback."""

import functools
import os
import sys
from typing import Callable


def exit_on_error(main: Callable) -> Callable:
    """Turn a foreseen error of ``main`` into one line on stderr and status 1.

    Foreseen are ValueError, FileNotFoundError, RuntimeError and OSError: a bad
    value, a missing path, a state that does not fit, a full disk. Anything else is
    a defect and keeps its traceback, as does everything under
    ``TUTORNET_TRACEBACK=1``.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except (ValueError, RuntimeError, OSError) as error:
            if os.environ.get("TUTORNET_TRACEBACK") == "1":
                raise
            spec = sys.modules[main.__module__].__spec__  # of "python -m NAME"
            name = spec.name if spec else sys.argv[0]
            print(f"{name}: error: {error}", file=sys.stderr)
            sys.exit(1)

    return wrapped
