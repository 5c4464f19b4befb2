"""Memory and lookup time of a cache's reader, by the number of utterances.

    python benchmarks/cache_index.py [--utterances 1000 300000]

Real caches of very short utterances, in shards of 250, written to a temporary
directory: what grows is the index.
"""

import argparse
import random
import resource
import statistics
import tempfile
import time
import tracemalloc
from typing import Iterator, Tuple

import torch

from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.cache.store import CacheReader, finish_cache, write_shard

SHARD = 250
LOOKUPS = 2000
PLAN = Manifest(
    fingerprint="",
    fs=16000,
    frame_shift=640.0,
    token_list=["<blank>", *map(str, range(99))],
    blank_id=0,
    layers={"last": {"form": "two_byte", "width": 16, "codes": 0}},
    top_k=8,
)


def speak(start: int, stop: int) -> Iterator[Tuple[str, dict]]:
    """Yield utterances of two frames."""
    said = {"last": torch.randn(2, 16), "posteriors": torch.randn(2, 100)}
    said["posteriors"] = said["posteriors"].log_softmax(-1)
    for number in range(start, stop):
        yield f"speaker-chapter-{number:07d}", said


def measure(utterances: int, directory: str) -> Tuple[float, float, float]:
    """Return seconds to open, bytes an utterance, and the median lookup in seconds."""
    forms = PLAN.forms({})
    shards = [
        write_shard(
            directory,
            f"{start // SHARD:05d}",
            forms,
            speak(start, min(start + SHARD, utterances)),
        )
        for start in range(0, utterances, SHARD)
    ]
    finish_cache(directory, PLAN, shards)
    tracemalloc.start()
    begin = time.perf_counter()
    reader = CacheReader(directory)
    opened = time.perf_counter() - begin
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    names = random.Random(0).choices(list(reader), k=LOOKUPS)
    seconds = []
    for name in names:
        begin = time.perf_counter()
        reader[name]
        seconds.append(time.perf_counter() - begin)
    return opened, size / utterances, statistics.median(seconds)


def main() -> None:
    """Print a line for each number of utterances."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", nargs="+", type=int, default=[1000, 300_000])
    for utterances in parser.parse_args().utterances:
        with tempfile.TemporaryDirectory() as directory:
            opened, size, seconds = measure(utterances, directory)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{utterances} utterances: opened in {opened:.2f} s (traced), index "
            f"{size:.0f} bytes each, lookup {1e6 * seconds:.0f} us, process "
            f"{peak:.0f} MB"
        )


if __name__ == "__main__":
    main()
