"""What a comparison costs beside its jobs: time in which a process had none.

python benchmarks/overhead.py compare/digits/exp/across_topology [--nj 2] [--since TIME]

Reads when the jobs of run.sh ended and how long they took from their logs, so the
comparison has to have run without a pause since --since.
"""

import argparse
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Iterator, Tuple

from espnet_tutornet.compare.outcomes import read_seconds


def read_jobs(directory: Path, since: float) -> Iterator[Tuple[str, float, float]]:
    """Yield kind, begin and end of each job, in seconds."""
    for log in directory.rglob("*.log"):
        seconds, end = read_seconds(log), log.stat().st_mtime
        if seconds is not None and end - seconds >= since:
            yield log.stem, end - seconds, end


def main() -> None:
    """Print a line a kind of job, and one of them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="exp/<setting> of a comparison")
    parser.add_argument("--nj", type=int, default=2, help="Processes side by side")
    parser.add_argument(
        "--since",
        type=datetime.fromisoformat,
        default=datetime.fromtimestamp(0),
        help="When it was started, if it was stopped before",
    )
    args = parser.parse_args()
    jobs = list(read_jobs(args.directory, args.since.timestamp()))
    if not jobs:
        parser.error(f"{args.directory}: no job has ended there since {args.since}")
    seconds, numbers = Counter(), Counter()
    for kind, begin, end in jobs:
        seconds[kind] += end - begin
        numbers[kind] += 1
    for kind, total in seconds.most_common():
        print(f"{kind}: {numbers[kind]} jobs, {total:.0f} s")
    elapsed = max(end for *_, end in jobs) - min(begin for _, begin, _ in jobs)
    busy = sum(seconds.values())
    over = args.nj * elapsed / busy - 1
    print(
        f"{elapsed:.0f} s with {args.nj} processes, {busy:.0f} s of jobs: "
        f"{100 * over:.1f} % beside them"
    )


if __name__ == "__main__":
    main()
