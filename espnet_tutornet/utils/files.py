"""Write files so that a crash, a full disk or a kill leaves the old ones whole."""

import os
import re
import shutil
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Iterator, Union

# a hidden neighbour of its target that names its owner: process id, then host
TEMPORARY = re.compile(r"\.(.+)\.([0-9]+)@([^@]+)\.(tmp|old)")
UNTOUCHED = 7 * 24 * 3600  # seconds; the age to be left behind on another host


def temporary_name(path: Path, kind: str = "tmp") -> Path:
    """Return a neighbour of ``path`` that belongs to this process on this host."""
    owner = f"{os.getpid()}@{socket.gethostname()}"
    return path.with_name(f".{path.name}.{owner}.{kind}")


def remove_leftovers(directory: Union[str, Path]) -> None:
    """Remove what killed processes left behind in a directory, and nothing of others.

    Gone are temporary files and directories of a process that is not alive on this
    host, and those of another host, which cannot be asked, after a week untouched. An
    old directory stays whose new one was never moved into its place.
    """
    directory = Path(directory)
    names = os.listdir(directory) if directory.is_dir() else []
    for match in filter(None, map(TEMPORARY.fullmatch, names)):
        path, (target, pid, host, kind) = directory / match[0], match.groups()
        with suppress(OSError):  # another process was faster
            if kind == "old" and not (directory / target).exists():
                continue
            if host == socket.gethostname():
                owned = _is_alive(int(pid))
            else:
                owned = time.time() - path.stat().st_mtime < UNTOUCHED
            if not owned and path.is_dir():
                shutil.rmtree(path)
            elif not owned:
                path.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # of another user; of no process
        pass
    return True


@contextmanager
def atomic_write(path: Union[str, Path], mode: str = "w") -> Iterator[IO]:
    """Open a temporary neighbour of ``path`` and move it into place at the end.

    What killed processes left in the directory goes: see :func:`remove_leftovers`.

    Args:
        path: file to write; its parents are made.
        mode: ``"w"`` (UTF-8) or ``"wb"``.

    Example:
        >>> with atomic_write("data/train/text") as f:  # doctest: +SKIP
        ...     print("utt1 HELLO", file=f)
    """
    path = Path(path).resolve()  # a link keeps pointing where it does
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary = temporary_name(path)
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
    or the swap fails. What killed processes left beside it goes.

    Example:
        >>> with atomic_dir("data/train") as new:  # doctest: +SKIP
        ...     _ = (new / "text").write_text("utt1 HELLO\n")
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary, retired = temporary_name(path), temporary_name(path, "old")
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
