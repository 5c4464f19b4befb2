"""Make a small speech corpus on this machine: no download but that of hibari-tts.

The result has the layout of LibriSpeech. It is good for trying a recipe and for
comparing methods on a CPU, and says nothing about real speech.
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Union

import soundfile
from tqdm import tqdm

from espnet_tutornet.data.mini.plan import SPLITS, plan_corpus
from espnet_tutornet.data.mini.speech import (
    SAMPLE_RATE,
    Utterance,
    load_voices,
    speak,
)
from espnet_tutornet.utils.extras import needs_extra
from espnet_tutornet.utils.files import atomic_dir, atomic_write

MARKER = "mini_corpus.json"
EDITION = 1  # raise it when the same seed no longer gives the same corpus
# A mapping such as the builtin ``map``, perhaps over several processes.
Mapper = Callable[[Callable, Iterable[Utterance]], Iterator[int]]


def make_mini_corpus(
    out_dir: Union[str, Path], hours_scale: float = 1.0, seed: int = 0, nj: int = 1
) -> List[str]:
    """Make the mini corpus, or what is missing of it.

    The same seed gives the same samples on the same machine, whatever ``nj`` is.

    Args:
        out_dir: gets one directory a split and a marker with the settings.
        hours_scale: factor on the number of utterances; 1 is 37 minutes in all.
        seed: chooses sentences and noise.
        nj: number of processes.

    Returns:
        The names of the splits that were made; those found complete are left out.

    Raises:
        ValueError: an argument is out of range.
        RuntimeError: hibari-tts is missing, or ``out_dir`` holds another corpus.

    Example:
        >>> make_mini_corpus("downloads/mini", 0.1)  # doctest: +SKIP
        ['train-clean', 'dev-clean', 'test-clean', 'test-other']
    """
    if not hours_scale > 0:
        raise ValueError(f"hours_scale must be greater than 0, got {hours_scale}.")
    if nj < 1:
        raise ValueError(f"nj must be at least 1, got {nj}.")
    out_dir = Path(out_dir)
    plans = plan_corpus(hours_scale, seed)
    missing = [split.name for split in SPLITS if not (out_dir / split.name).exists()]
    _check_marker(out_dir, hours_scale, seed, missing)
    total = sum(len(plans[name]) for name in missing)
    interval = 0.1 if sys.stderr.isatty() else 30.0  # s; a log wants few lines
    with _open_mapper(nj) as mapper, tqdm(
        total=total, unit="utt", mininterval=interval, disable=not missing
    ) as progress:
        for name in missing:
            with atomic_dir(out_dir / name) as new:
                for _ in mapper(partial(_write_audio, new), plans[name]):
                    progress.update()
                _write_transcripts(new, plans[name])
    return missing


def _check_marker(
    out_dir: Path, hours_scale: float, seed: int, missing: List[str]
) -> None:
    """Compare the settings with those in ``out_dir``; write them if it is new."""
    marker = out_dir / MARKER
    settings = {"hours_scale": hours_scale, "seed": seed, "edition": EDITION}
    if missing:  # a complete corpus may be used with other versions, or none
        settings["versions"] = _versions()
    if not marker.exists():
        present = sorted({split.name for split in SPLITS} - set(missing))
        if present:
            raise RuntimeError(
                f"{out_dir} holds {', '.join(present)} but no {MARKER}: expected an "
                "empty directory or an earlier mini corpus. Choose another out_dir."
            )
        with atomic_write(marker) as f:
            print(json.dumps(settings, indent=2), file=f)
    found = json.loads(marker.read_text(encoding="utf-8"))
    for key, want in settings.items():
        if found.get(key) != want:
            raise RuntimeError(
                f"{out_dir} holds a mini corpus made with {key} {found.get(key)}, but "
                f"{want} is wanted now. Choose another out_dir or delete this one."
            )


def _versions() -> Dict[str, str]:
    """Return the versions of the libraries that decide about the samples."""
    with needs_extra("mini", "the mini corpus"):
        return {name: version(name) for name in ("hibari-tts", "onnxruntime", "soxr")}


@contextmanager
def _open_mapper(nj: int) -> Iterator[Mapper]:
    """Provide ``map`` itself, or its likeness over ``nj`` processes."""
    if nj == 1:
        yield map
        return
    # A forked copy of an onnxruntime session hangs: start fresh processes.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(nj, mp_context=context) as pool:
        yield partial(pool.map, chunksize=8)


_voices = lru_cache(maxsize=1)(load_voices)  # once in a process


def _write_audio(split_dir: Path, utterance: Utterance) -> int:
    """Write the FLAC file of ``utterance``; return its number of samples."""
    samples = speak(_voices(), utterance)
    path = _chapter_dir(split_dir, utterance) / f"{utterance.utt_id}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    return len(samples)


def _write_transcripts(split_dir: Path, utterances: List[Utterance]) -> None:
    for utterance in utterances:
        chapter_dir = _chapter_dir(split_dir, utterance)
        speaker, chapter, _ = utterance.utt_id.split("-")
        with (chapter_dir / f"{speaker}-{chapter}.trans.txt").open("a") as f:
            print(utterance.utt_id, utterance.text.upper(), file=f)


def _chapter_dir(split_dir: Path, utterance: Utterance) -> Path:
    speaker, chapter, _ = utterance.utt_id.split("-")
    return split_dir / speaker / chapter
