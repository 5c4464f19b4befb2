"""Build the digits: strings of spoken digits, cut together from real recordings.

The recordings are those of the Free Spoken Digit Dataset (Jakobovski et al., CC BY-SA
4.0): six speakers, of whom five are used, each digit fifty times, 8 kHz. The corpus has
the layout of LibriSpeech, and is the same, sample by sample, wherever it is built.
"""

import io
import random
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Dict, List, Mapping, Sequence, Tuple, Union

import numpy as np
import soundfile
from tqdm import tqdm

from espnet_tutornet.utils.archives import part_path
from espnet_tutornet.utils.download import fetch
from espnet_tutornet.utils.files import atomic_dir

GITHUB = "https://github.com"
ARCHIVE = "Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip"
SAVED_AS = "free-spoken-digit-dataset-1.0.10.zip"
# Over names and bytes of the recordings: the archive's own bytes may change, because
# GitHub packs it anew at will.
CHECKSUM = "a53bdbe8cca515477c5483bb9707cdfdabc732320ac06e2b623dfa44c31d2452"
FS = 8000  # Hz
WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
SPEAKERS = {"george": "101", "jackson": "102", "nicolas": "103", "theo": "104"}
SPEAKERS["lucas"] = "105"
USUAL = ("george", "jackson", "nicolas", "theo")
DONE = ".done"


@dataclass(frozen=True)
class Split:
    """A part of the corpus: who speaks, and which recordings are theirs.

    Attributes:
        name: of its directory.
        utterances: how many; the first do not depend on how many follow.
        seed: of all that is drawn; the chapter's name, too.
        speakers: take turns.
        takes: the recordings of a digit by a speaker that are used: first, and the one
            after the last.
    """

    name: str
    utterances: int
    seed: int
    speakers: Tuple[str, ...]
    takes: Tuple[int, int]


# 40, 5, 10 and 6 minutes. No recording is in two of train, dev and test.
SPLITS = (
    Split("train-clean", 800, 1, USUAL, (10, 50)),
    Split("dev-clean", 100, 2, USUAL, (5, 10)),
    Split("test-clean", 200, 3, USUAL, (0, 5)),
    Split("test-other", 100, 4, ("lucas",), (0, 5)),
)
DIGITS = (2, 9)  # least and most of an utterance
LEAD = (400, 1600)  # samples of silence before it
GAP = (0, 1600)  # and after each digit
PEAK = (0.3, 0.9)
SNR = (8, 30)  # dB
COLOURS = (1, 6)  # taps of the filter that colours the noise
Recordings = Mapping[str, bytes]  # <digit>_<speaker>_<take>.wav -> content


def make_digits(
    out_dir: Union[str, Path], downloads: Union[str, Path], url_base: str = GITHUB
) -> List[str]:
    """Build the digits, or what is missing of them; download the recordings first.

    Args:
        out_dir: gets a directory for each split, and ``.done`` when all are there.
        downloads: keeps the archive of the recordings.
        url_base: GitHub's address, or that of a mirror.

    Returns:
        The names of the splits that were built.

    Raises:
        RuntimeError: the recordings cannot be downloaded, or are not those expected.

    Example:
        >>> make_digits("downloads/digits", "downloads")  # doctest: +SKIP
        ['train-clean', 'dev-clean', 'test-clean', 'test-other']
    """
    out_dir = Path(out_dir)
    if (out_dir / DONE).exists():
        return []
    missing = [split for split in SPLITS if not (out_dir / split.name).exists()]
    if missing:
        recordings = bring_recordings(downloads, url_base)
        for split in missing:
            with atomic_dir(out_dir / split.name) as new:
                write_split(new, split, recordings)
    (out_dir / DONE).touch()
    return [split.name for split in missing]


def bring_recordings(
    downloads: Union[str, Path], url_base: str = GITHUB, pause: float = 1.0
) -> Dict[str, bytes]:
    """Read the recordings out of their archive, which is downloaded unless it is there.

    Args:
        downloads: where the archive is, or is to be.
        url_base: GitHub's address, or that of a mirror.
        pause: seconds before the second try to download.

    Returns:
        Name -> content of each WAV file.

    Raises:
        RuntimeError: the archive cannot be downloaded, or holds something else; it is
            removed then, so that a rerun gets it anew.
    """
    path = Path(downloads) / SAVED_AS
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        part = part_path(path)
        fetch(f"{url_base.rstrip('/')}/{ARCHIVE}", part, None, tries=6, pause=pause)
        part.replace(path)
    try:
        recordings = _read_archive(path)
        found = checksum(recordings)
        problem = f"expected recordings of sha256 {CHECKSUM}, got {found}"
    except (zipfile.BadZipFile, OSError) as error:
        found, problem = "", f"it cannot be read ({error})"
    if found != CHECKSUM:
        path.unlink()
        raise RuntimeError(
            f"{path} was damaged and has been removed: {problem}. Run the command "
            "again to download it anew."
        )
    return recordings


def checksum(recordings: Recordings) -> str:
    """Return the sha256 over names and contents, in the order of the names.

    Example:
        >>> checksum({"b": b"2", "a": b"1"}) == checksum({"a": b"1", "b": b"2"})
        True
        >>> checksum({"a": b"1"}) == checksum({"a": b"2"})
        False
    """
    digest = sha256()
    for name in sorted(recordings):
        # lengths: no byte can move from a name to a content unseen
        digest.update(f"{len(name)} {name} {len(recordings[name])} ".encode())
        digest.update(recordings[name])
    return digest.hexdigest()


def write_split(out_dir: Path, split: Split, recordings: Recordings) -> None:
    """Write audio and transcripts of one split to ``out_dir``."""
    takes = _takes_of(split, recordings)
    # two generators, as two kinds of things are drawn: the order of calls is the corpus
    choices, noise = random.Random(split.seed), np.random.RandomState(split.seed)
    texts: Dict[str, List[str]] = defaultdict(list)
    for index in tqdm(range(split.utterances), split.name, disable=None):
        name = split.speakers[index % len(split.speakers)]
        samples, words = _say(takes[name], choices)
        samples = _add_noise(samples, choices, noise)
        speaker, chapter = SPEAKERS[name], str(split.seed)
        utt_id = f"{speaker}-{chapter}-{len(texts[speaker]):04d}"
        path = out_dir / speaker / chapter / f"{utt_id}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples.astype(np.float32), FS, subtype="PCM_16")
        texts[speaker].append(f"{utt_id} {' '.join(words)}\n")
    for speaker, lines in texts.items():
        trans = out_dir / speaker / chapter / f"{speaker}-{chapter}.trans.txt"
        trans.write_text("".join(lines), encoding="utf-8")


def _read_archive(path: Path) -> Dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".wav")]
        return {PurePosixPath(name).name: archive.read(name) for name in names}


def _takes_of(
    split: Split, recordings: Recordings
) -> Dict[str, List[Tuple[str, np.ndarray]]]:
    """Return word and samples of what each speaker of a split has to choose from."""
    takes = defaultdict(list)
    for name in sorted(recordings):  # the order decides what is drawn
        digit, speaker, take = name.removesuffix(".wav").split("_")
        if speaker in split.speakers and int(take) in range(*split.takes):
            samples, _ = soundfile.read(io.BytesIO(recordings[name]))
            takes[speaker].append((WORDS[int(digit)], samples))
    return takes


def _say(
    takes: Sequence[Tuple[str, np.ndarray]], choices: random.Random
) -> Tuple[np.ndarray, List[str]]:
    """String some digits together, with silence around them, at some level."""
    count = choices.randint(*DIGITS)
    parts, words = [np.zeros(choices.randint(*LEAD))], []
    for _ in range(count):
        word, samples = choices.choice(takes)
        words.append(word)
        parts += [samples, np.zeros(choices.randint(*GAP))]
    speech = np.concatenate(parts)
    scale = np.abs(speech).max() + 1e-9
    return speech / scale * choices.uniform(*PEAK), words


def _add_noise(
    speech: np.ndarray, choices: random.Random, generator: np.random.RandomState
) -> np.ndarray:
    """Add coloured noise at a drawn signal-to-noise ratio, and clip."""
    snr_db = choices.uniform(*SNR)
    white = generator.randn(len(speech))
    taps = generator.rand(choices.randint(*COLOURS))
    noise = np.convolve(white, taps, "same")
    ratio = (speech**2).mean() / (noise**2).mean() / 10 ** (snr_db / 10)
    return np.clip(speech + noise * np.sqrt(ratio), -1, 1)
