"""Seconds to score ten thousand utterances of 20 words with the internal scorer.

python benchmarks/scoring.py
"""

import random
import tempfile
import time
from pathlib import Path

from espnet_tutornet.scoring.score import score


def main() -> None:
    """Print one line."""
    rng = random.Random(0)
    words = [str(number) for number in range(500)]
    refs = {f"u{n:05d}": rng.choices(words, k=20) for n in range(10_000)}
    hyps = {u: [w for w in ref if rng.random() > 0.1] for u, ref in refs.items()}
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        score(Path(directory) / "score_wer", refs, hyps, "internal")
        print(f"10000 utterances of 20 words: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
