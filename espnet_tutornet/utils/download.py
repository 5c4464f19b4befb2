"""Download archives, and extract LibriSpeech's: resumed when cut, checked, atomic."""

import logging
import tarfile
import time
import zlib
from pathlib import Path
from typing import List, Optional, Sequence, Union

import requests

from espnet_tutornet.utils.archives import (
    CHUNK,
    CORPUS_NAME,
    URL_BASE,
    Archive,
    check_archive,
    check_disk,
    missing_archives,
    open_bar,
    part_path,
)
from espnet_tutornet.utils.files import atomic_dir

_TIMEOUT = 30.0  # s without a byte
_CUT = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
)


def download_corpus(
    archives: Sequence[Archive],
    out_dir: Union[str, Path],
    url_base: str = URL_BASE,
    tries: int = 6,
    pause: float = 1.0,
) -> List[str]:
    """Bring the splits of ``archives`` to ``<out_dir>/LibriSpeech/<split>``.

    A split that is there is skipped, an archive in ``out_dir`` is used, a part of
    one is continued. The archives stay in ``out_dir``.

    Args:
        archives: what to download, such as ``CORPORA["mini_librispeech"]``.
        out_dir: gets the archives and the directory ``LibriSpeech``.
        url_base: address above the numbers of the resources.
        tries: how often to try in a row without receiving a byte.
        pause: seconds before the second try; doubled before each further one.

    Returns:
        The splits that were extracted.

    Raises:
        RuntimeError: the disk is too small, the server cannot be reached or refuses,
            or an archive is damaged.
    """
    out_dir = Path(out_dir)
    missing = missing_archives(archives, out_dir)
    check_disk(missing, out_dir)
    for archive in missing:
        path = out_dir / archive.filename
        if not path.exists():
            fetch(archive.url(url_base), part_path(path), archive.size, tries, pause)
            check_archive(part_path(path), archive)
            part_path(path).replace(path)
        else:
            check_archive(path, archive)
        extract(path, out_dir / CORPUS_NAME / archive.split)
    return [archive.split for archive in missing]


def fetch(url: str, part: Path, size: Optional[int], tries: int, pause: float) -> None:
    """Download ``url`` to ``part``, from where an earlier download was cut.

    Args:
        url: address of the file.
        part: file to write or to continue.
        size: expected number of bytes; None: what the server says, if it does.
        tries: how often to try in a row without receiving a byte.
        pause: seconds before the second try; doubled before each further one.

    Raises:
        RuntimeError: the server cannot be reached or refuses, or the size differs.
    """
    failures = 0
    complete = size is not None and _size(part) >= size
    while not complete:
        done = _size(part)
        try:
            complete = _receive(url, part, size)
            problem = "the server sent nothing"
        except _CUT as error:
            problem = str(error)
        failures = 0 if complete or _size(part) > done else failures + 1
        if failures == tries:
            raise RuntimeError(
                f"cannot download {url} after {tries} tries "
                f"({problem}). {_by_hand(url, part)}"
            )
        if failures:
            wait = pause * 2 ** (failures - 1)
            logging.warning("no data from %s: next try in %.0f s", url, wait)
            time.sleep(wait)


def extract(path: Path, split_dir: Path) -> None:
    """Extract the one split in the archive ``path`` as ``split_dir``.

    Raises:
        RuntimeError: the archive cannot be read, or holds another split.
    """
    prefix = f"{CORPUS_NAME}/{split_dir.name}/"

    def keep_split(member: tarfile.TarInfo, dest: str) -> Optional[tarfile.TarInfo]:
        bar.update(max(0, member.offset_data - bar.n))
        if not member.name.startswith(prefix):
            return None
        inside = member.replace(name=member.name[len(prefix) :], deep=False)
        return tarfile.data_filter(inside, dest)

    with atomic_dir(split_dir) as new:
        try:
            # FLAC does not shrink: the tar is about as long as the archive.
            size, label = path.stat().st_size, f"extract {path.name}"
            with tarfile.open(path) as tar, open_bar(size, label) as bar:
                tar.extractall(new, filter=keep_split)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise RuntimeError(
                f"{path} cannot be extracted ({error}). Delete it and run the "
                "command again."
            ) from error
        if not any(new.iterdir()):
            raise RuntimeError(f"{path} was expected to hold {prefix}, but does not.")


def _receive(url: str, part: Path, size: Optional[int]) -> bool:
    """Append to ``part`` what the server sends after its last byte.

    Returns:
        Whether it is complete now.
    """
    done = _size(part)
    # Without "identity" a server may compress the archive once more.
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == 429 or response.status_code >= 500:
            raise requests.exceptions.ConnectionError(_status(response))
        if response.status_code == 416 and size is None:  # nothing after the last byte
            return _finish(part, response)
        if not response.ok:
            raise RuntimeError(
                f"cannot download {url}: {_status(response)}. {_by_hand(url, part)}"
            )
        if response.status_code != 206:
            done = 0  # the server sends the whole file, whatever was asked
        length = response.headers.get("Content-Length")
        if size is not None:
            _check_length(url, length, size - done)
        elif length is not None:
            size = done + int(length)
        with part.open("ab" if done else "wb") as f:
            with open_bar(size, part.stem, done) as bar:
                for chunk in response.iter_content(CHUNK):
                    f.write(chunk)
                    bar.update(len(chunk))
    # without a length the transfer ends with a mark of its own, which requests expects
    return size is None or _size(part) >= size


def _finish(part: Path, response: requests.Response) -> bool:
    """Keep ``part`` if it is as long as the file of the server, else remove it."""
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if total != str(_size(part)):
        part.unlink()
        return False
    return True


def _check_length(url: str, length: Optional[str], expected: int) -> None:
    if length is not None and int(length) != expected:
        raise RuntimeError(
            f"{url}: expected {expected} bytes, but the server offers {length}. It may "
            "be another file, or the page of a proxy: open the address in a browser, "
            "or try another mirror with --url_base."
        )


def _by_hand(url: str, part: Path) -> str:
    return (
        f"Run the command again when the network is up, try a mirror with --url_base, "
        f"or fetch {url} by other means, save it as {part.with_suffix('')} and run the "
        "command again."
    )


def _status(response: requests.Response) -> str:
    return f"HTTP status {response.status_code} {response.reason}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
