"""The archives of LibriSpeech at OpenSLR, and what it takes to hold them."""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

from tqdm import tqdm

URL_BASE = "https://www.openslr.org/resources"
CORPUS_NAME = "LibriSpeech"  # the directory inside every archive
_EXTRACTED = 1.05  # FLAC does not shrink in gzip; files waste part of a block
_SPEED = 10e6  # bytes/s, for the estimate of time
CHUNK = 1 << 16  # bytes; as much is lost when a download is cut


@dataclass(frozen=True)
class Archive:
    """One split as the server offers it.

    Args:
        split: name of the split, and of the archive without ``.tar.gz``.
        resource: number of the resource at OpenSLR.
        size: in bytes.
        md5: checksum in hexadecimal digits.
    """

    split: str
    resource: int
    size: int
    md5: str

    @property
    def filename(self) -> str:
        """The name of the file on both sides."""
        return f"{self.split}.tar.gz"

    def url(self, url_base: str) -> str:
        """Return the address of the archive under ``url_base``."""
        return f"{url_base.rstrip('/')}/{self.resource}/{self.filename}"


# Sizes: tensorflow/datasets, url_checksums/librispeech.txt (SLR12); kaldi,
# egs/mini_librispeech/s5/local/download_and_untar.sh (SLR31). MD5: the md5sum.txt of
# each resource, as also recorded in lhotse and PaddlePaddle DeepSpeech.
_TRAIN_100 = Archive(
    "train-clean-100", 12, 6387309499, "2a93770f6d5c6c964bc36631d331a522"
)
_TRAIN_360 = Archive(
    "train-clean-360", 12, 23049477885, "c0e676e450a7ff2f54aeade5171606fa"
)
_TRAIN_500 = Archive(
    "train-other-500", 12, 30593501606, "d1a0fd59409feb2c614ce4d30c387708"
)
_EVALUATION = (
    Archive("dev-clean", 12, 337926286, "42e2234ba48799c1f50f24a7926300a1"),
    Archive("dev-other", 12, 314305928, "c8d0bcc9cca99d4f8b62fcc847357931"),
    Archive("test-clean", 12, 346663984, "32fa31d27d2e1cad72775fee3f4849a9"),
    Archive("test-other", 12, 328757843, "fb5a50374b501bb3bac4815ee91d3135"),
)
CORPORA: Dict[str, Tuple[Archive, ...]] = {
    "mini_librispeech": (
        Archive("train-clean-5", 31, 332954390, "5df7d4e78065366204ca6845bb08f490"),
        Archive("dev-clean-2", 31, 126046265, "6d7ab67ac6a1d2c993d050e16d61080d"),
    ),
    "librispeech_100": (_TRAIN_100, *_EVALUATION),
    "librispeech_960": (_TRAIN_100, _TRAIN_360, _TRAIN_500, *_EVALUATION),
}


def missing_archives(archives: Sequence[Archive], out_dir: Path) -> Tuple[Archive, ...]:
    """Return the archives whose split is not yet in ``out_dir``."""
    return tuple(a for a in archives if not (out_dir / CORPUS_NAME / a.split).is_dir())


def bytes_to_download(archives: Sequence[Archive], out_dir: Path) -> int:
    """Return the bytes that are not yet in ``out_dir``, as a whole or in part."""
    return sum(max(0, a.size - _bytes_present(out_dir / a.filename)) for a in archives)


def describe_plan(archives: Sequence[Archive], out_dir: Path, url_base: str) -> str:
    """Say what will be downloaded, how long it takes and the disk it needs."""
    download = bytes_to_download(archives, out_dir)
    lines = [f"{a.url(url_base)}  {in_gigabytes(a.size)}" for a in archives]
    lines += [
        f"to download: {in_gigabytes(download)}, about {download / _SPEED / 60:.0f} "
        f"min at {_SPEED / 1e6:.0f} MB/s",
        f"disk needed in {out_dir}: {in_gigabytes(download + _extracted(archives))} "
        "(archives and what is extracted from them)",
    ]
    return "\n".join(lines)


def check_disk(archives: Sequence[Archive], out_dir: Path) -> None:
    """Make ``out_dir`` and check that its disk can hold the corpus.

    Raises:
        RuntimeError: too little room is left.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    needed = bytes_to_download(archives, out_dir) + _extracted(archives)
    free = shutil.disk_usage(out_dir).free
    if needed > free:
        raise RuntimeError(
            f"the disk of {out_dir} is too small: {in_gigabytes(needed)} are needed "
            f"for archives and extracted files, {in_gigabytes(free)} are free. "
            "Make room, or choose another out_dir or a smaller corpus."
        )


def check_archive(path: Path, archive: Archive) -> None:
    """Compare the size and the checksum of a file with those of ``archive``.

    Raises:
        RuntimeError: they differ; the file is removed, so that a rerun gets it anew.
    """
    size = path.stat().st_size
    if size != archive.size:
        problem = f"expected {archive.size} bytes, got {size}"
    else:
        digest = _md5(path)
        if digest == archive.md5:
            return
        problem = f"expected md5 {archive.md5}, got {digest}"
    path.unlink()
    raise RuntimeError(
        f"{path} was damaged and has been removed: {problem}. "
        "Run the command again to download it anew."
    )


def open_bar(total: Optional[int], label: str, done: int = 0) -> tqdm:
    """Open a progress bar in bytes; it writes a line in 30 s when in a log.

    Args:
        total: bytes in all; None: not known.
        label: what stands before the bar.
        done: bytes that are there already.
    """
    return tqdm(
        total=total,
        initial=done,
        desc=label,
        unit="B",
        unit_scale=True,
        mininterval=0.1 if sys.stderr.isatty() else 30.0,
    )


def in_gigabytes(size: float) -> str:
    """Write a number of bytes in GB."""
    return f"{size / 1e9:.2f} GB"


def _bytes_present(path: Path) -> int:
    for candidate in (path, part_path(path)):
        if candidate.exists():
            return candidate.stat().st_size
    return 0


def part_path(path: Path) -> Path:
    """Return where an unfinished download of ``path`` is kept."""
    return path.with_name(f"{path.name}.part")


def _extracted(archives: Sequence[Archive]) -> float:
    return sum(archive.size for archive in archives) * _EXTRACTED


def _md5(path: Path) -> str:
    digest = hashlib.md5()
    with path.open("rb") as f, open_bar(path.stat().st_size, f"check {path.name}") as b:
        while chunk := f.read(CHUNK):
            digest.update(chunk)
            b.update(len(chunk))
    return digest.hexdigest()
