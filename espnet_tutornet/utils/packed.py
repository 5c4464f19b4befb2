"""Unpack archives that others made: none may reach out of its directory."""

import os
import stat
import tarfile
import zipfile
from pathlib import Path

from espnet_tutornet.utils.files import atomic_dir


def unpack(archive: Path, out_dir: Path) -> Path:
    """Extract a packed model, unless it was before.

    Args:
        archive: ``.zip`` or ``.tar`` in any compression.
        out_dir: directory to write, as a whole or not at all.

    Raises:
        ValueError: not an archive, or an entry that leaves ``out_dir``.
    """
    stamp = f"{archive.resolve()} {archive.stat().st_size} {archive.stat().st_mtime_ns}"
    mark = out_dir / ".unpacked"
    if mark.is_file() and mark.read_text(encoding="utf-8") == stamp:
        return out_dir
    with atomic_dir(out_dir) as new:
        try:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as content:
                    _check_entries(archive, content)
                    content.extractall(new)
            else:
                with tarfile.open(archive) as content:
                    content.extractall(new, filter="data")
        except tarfile.ReadError:
            raise ValueError(
                f"{archive} is not a packed ESPnet model: expected .zip or .tar.gz as "
                "espnet2.bin.pack writes it."
            ) from None
        except (tarfile.FilterError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(
                f"{archive} is refused: {error}. If it was downloaded, remove it and "
                "run again."
            ) from None
        (new / ".unpacked").write_text(stamp, encoding="utf-8")
    return out_dir


def is_inside(path: Path, root: Path) -> bool:
    """Tell whether a path is in a directory, by name.

    Example:
        >>> is_inside(Path("a/../b"), Path("a")), is_inside(Path("a/b"), Path("a"))
        (False, True)
    """
    # by name: the files of a hub's snapshot are links to a store beside it
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(root))


def _check_entries(archive: Path, content: zipfile.ZipFile) -> None:
    for entry in content.infolist():
        name = entry.filename
        outside = name.startswith(("/", "\\")) or ".." in Path(name).parts
        if outside or ":" in name or stat.S_ISLNK(entry.external_attr >> 16):
            raise ValueError(
                f"{archive} is refused: its entry {name!r} would leave the directory "
                "it is unpacked into. Do not use this file."
            )
