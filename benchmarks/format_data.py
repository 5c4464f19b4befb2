"""Measure the format step of stage 1, in multiples of real time per core.

``python benchmarks/format_data.py [--minutes 60]``. Audio is noise, shaped as speech is
loud, in utterances of 5 to 15 s of 16 kHz, in one thread. Aims: 200 x real time without
resampling, 100 x with; a second call costs seconds per 100 000 utterances.
"""

import argparse
import io
import resource
import shutil
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

import numpy as np
import soundfile

from espnet_tutornet.data.data_dir import RawUtterance
from espnet_tutornet.data.formatting import format_sets

FS = 16000
SEGMENTS = 20  # of a recording that is cut


def make_audio(folder: Path, minutes: float) -> Tuple[List[RawUtterance], float]:
    """Write FLAC of one channel; return its utterances and its length in seconds."""
    rng = np.random.default_rng(0)
    utterances, total, number = [], 0.0, 0
    while total < 60 * minutes:
        seconds = rng.uniform(5, 15)
        count = int(seconds * FS)
        loud = np.repeat(rng.uniform(0, 0.1, count // 1600 + 1), 1600)[:count]
        path = folder / f"u{number:05}.flac"
        soundfile.write(path, rng.normal(size=count) * loud, FS)
        utterances.append(RawUtterance(path.stem, "s", "A", str(path), path.stem))
        total, number = total + count / FS, number + 1
    return utterances, total


def cut(utterances: Sequence[RawUtterance], folder: Path) -> List[RawUtterance]:
    """Join the audio into recordings of two channels, which segments cut again."""
    found = []
    for first in range(0, len(utterances), SEGMENTS):
        group = utterances[first : first + SEGMENTS]
        parts = [soundfile.read(utt.audio, dtype="int16")[0] for utt in group]
        path = folder / f"r{first:05}.flac"
        whole = np.concatenate(parts)
        soundfile.write(path, np.stack([whole, whole], axis=1), FS)
        start = 0
        for utt, part in zip(group, parts):
            span = start / FS, (start + len(part)) / FS
            place = (str(path), path.stem, *span)
            found.append(RawUtterance(utt.utt_id, "s", "A", *place, "0"))
            start += len(part)
    return found


def behind_pipes(utterances: Sequence[RawUtterance]) -> List[RawUtterance]:
    """Return the same audio as what commands print."""
    return [
        RawUtterance(u.utt_id, "s", "A", f"cat {u.audio} |", u.utt_id)
        for u in utterances
    ]


def measure(work: Callable[[], object]) -> Tuple[float, float]:
    """Return seconds of wall clock and of processor, commands included."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN

    def used() -> float:
        return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)

    wall, processor = time.perf_counter(), used()
    with redirect_stdout(io.StringIO()):
        work()
    return time.perf_counter() - wall, used() - processor


def main() -> None:
    """Print a row for each kind of change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        plain, seconds = make_audio(folder, args.minutes)
        segments = cut(plain, folder)
        rows = (
            ("nothing to change: headers are read", plain, FS),
            ("segments of FLAC of two channels, one picked", segments, FS),
            ("commands that print FLAC", behind_pipes(plain), FS),
            ("resampled, 16 to 8 kHz", plain, FS // 2),
            ("resampled, 16 to 48 kHz", plain, FS * 3),
            ("segments, picked and resampled to 8 kHz", segments, FS // 2),
        )
        print(f"{seconds / 60:.0f} minutes, {len(plain)} utterances, one thread")
        print("| what changes | x real time, processor | wall clock | second call |")
        print("|---|---|---|---|")
        for number, (title, utterances, fs) in enumerate(rows):
            where, sets = folder / f"out{number}", {"set": utterances}
            wall, processor = measure(lambda: format_sets(sets, fs, "mix", where))
            again, _ = measure(lambda: format_sets(sets, fs, "mix", where))
            each = 1e6 * again / len(utterances)
            print(
                f"| {title} | {seconds / processor:.0f} | {seconds / wall:.0f} "
                f"| {each:.0f} us per utterance |",
                flush=True,
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
