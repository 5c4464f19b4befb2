"""Write files so that a crash, a full disk or a kill leaves the old ones whole."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator, Union


@contextmanager
def atomic_write(path: Union[str, Path], mode: str = "w") -> Iterator[IO]:
    """Open a temporary neighbour of ``path`` and move it into place at the end.

    Args:
        path: file to write; its parents are made.
        mode: ``"w"`` (UTF-8) or ``"wb"``.

    Example:
        >>> with atomic_write("data/train/text") as f:  # doctest: +SKIP
        ...     print("utt1 HELLO", file=f)
    """
    path = Path(path).resolve()  # a link keeps pointing where it does
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Union[str, Path]) -> Iterator[Path]:
    r"""Fill a temporary neighbour of the directory ``path``, then swap it in.

    An existing ``path`` is replaced as a whole, and stays as it was when the block
    or the swap fails.

    Example:
        >>> with atomic_dir("data/train") as new:  # doctest: +SKIP
        ...     _ = (new / "text").write_text("utt1 HELLO\n")
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    retired = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.replace(retired)
        try:
            temporary.replace(path)
        except OSError:
            if retired.exists():
                retired.replace(path)
            raise
        shutil.rmtree(retired, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
