"""Bring a corpus by its name: made, built or downloaded where it is not there yet."""

from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_tutornet.data.corpora import sets
from espnet_tutornet.data.corpora.digits import GITHUB, make_digits
from espnet_tutornet.data.mini.corpus import make_mini_corpus
from espnet_tutornet.utils.archives import (
    CORPORA,
    CORPUS_NAME,
    URL_BASE,
    Archive,
    describe_plan,
    missing_archives,
)
from espnet_tutornet.utils.download import download_corpus

NAMES = tuple(sets.CORPORA)


def bring_corpus(
    name: str,
    downloads: Union[str, Path] = "downloads",
    nj: int = 1,
    url_base: Optional[str] = None,
) -> Path:
    """Make, build or download a corpus, or what is missing of it, and say so.

    Args:
        name: one of ``NAMES``.
        downloads: gets archives, and the corpus in a directory of its own.
        nj: processes that make the mini corpus.
        url_base: address in place of GitHub's, or of OpenSLR's resources.

    Returns:
        The directory that holds the splits.

    Raises:
        ValueError: an unknown name.
        RuntimeError: the disk is too small, a server cannot be reached, a download is
            damaged, or hibari-tts, which makes the mini corpus, is missing.

    Example:
        >>> bring_corpus("digits")  # doctest: +SKIP
        PosixPath('downloads/digits')
    """
    downloads = Path(downloads)
    if name not in NAMES:
        raise ValueError(f"corpus must be one of {', '.join(NAMES)}, got {name!r}.")
    corpus_dir = downloads / name
    if name == "mini":
        made = make_mini_corpus(corpus_dir, nj=nj)
    elif name == "digits":
        made = make_digits(corpus_dir, downloads, url_base or GITHUB)
    else:
        return bring_librispeech(CORPORA[name], downloads, url_base or URL_BASE)
    print(f"{corpus_dir}: {'made ' + ', '.join(made) if made else 'is there'}")
    return corpus_dir


def bring_librispeech(
    archives: Sequence[Archive], downloads: Path, url_base: str = URL_BASE
) -> Path:
    """Download the splits of LibriSpeech that are not there, and say what that takes.

    Args:
        archives: such as ``CORPORA["mini_librispeech"]``.
        downloads: gets the archives and the directory ``LibriSpeech``.
        url_base: address above the numbers of the resources.

    Returns:
        The directory that holds the splits.

    Raises:
        RuntimeError: as in :func:`espnet_tutornet.utils.download.download_corpus`.
    """
    missing = missing_archives(archives, downloads)
    if missing:
        print(describe_plan(missing, downloads, url_base), flush=True)
        download_corpus(missing, downloads, url_base)
        print(f"The archives in {downloads} are no longer needed.")
    return downloads / CORPUS_NAME
