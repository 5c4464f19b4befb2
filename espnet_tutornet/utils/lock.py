"""One process at a time in a directory."""

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator


@contextmanager
def hold(directory: Path, what: str, hint: str = "") -> Iterator[None]:
    """Hold a directory, which is made, until the block ends or the process does.

    Args:
        directory: whose ``.lock`` is taken.
        what: who else may hold it, for the message: ``another comparison``.
        hint: what else to do about it, after waiting and stopping.

    Raises:
        RuntimeError: another process holds it.

    Example:
        >>> with hold(Path("compare/digits"), "another comparison"):  # doctest: +SKIP
        ...     pass
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("a") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{what} works in {directory} (it holds {f.name}). Wait for it, or "
                f"stop it{hint}."
            ) from None
        yield
