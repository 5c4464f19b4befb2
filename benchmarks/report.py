"""Seconds and memory of the HTML report, by the number of runs.

    python benchmarks/report.py [--runs 500]

Made-up runs in a temporary directory: two decoded sets of 200 utterances each, 50
epochs in the checkpoint, a configuration with 1000 tokens; 4 methods, 5 seeds a
student. No audio and no models: listening costs what the models cost. Counted is the
command as a process of its own, imports included.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict

import torch
import yaml

from espnet_tutornet.scoring.score import COLUMNS

METHODS, SEEDS, SETS, EPOCHS = ("none", "skd", "rkd_task", "rkd_skd"), 5, 2, 50
WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
CONFIG = {"max_epoch": EPOCHS, "token_list": [f"token{n}" for n in range(1000)]}

# rusage would count the memory of the parent, which has torch
COMMAND = (
    "import sys; from espnet_tutornet.bin.report import main; main(sys.argv[1:]); "
    "print(open('/proc/self/status').read())"
)


def say(rng: random.Random, errors: float) -> str:
    """Return a ``text`` of 200 utterances of 12 words, the same but for errors."""
    truth = random.Random(0)
    lines = []
    for number in range(200):
        words = truth.choices(WORDS, k=12)
        words = [rng.choice(WORDS) if rng.random() < errors else w for w in words]
        lines.append(f"u{number:04d} {' '.join(words)}\n")
    return "".join(lines)


def train(run: Path, losses: Dict[str, float]) -> None:
    """Write the checkpoint of a training."""
    run.mkdir(parents=True, exist_ok=True)
    stats = {
        epoch: {
            m: {k: x / epoch for k, x in losses.items()} for m in ("train", "valid")
        }
        for epoch in range(1, EPOCHS + 1)
    }
    reporter = {"stats": stats, "epoch": EPOCHS}
    torch.save({"model": {"w": torch.zeros(30_000)}, "reporter": reporter}, run / "a")
    (run / "a").rename(run / "checkpoint.pth")


def add_run(exp: Path, number: int) -> None:
    """Write one run, with its first stage where it has one."""
    group, seed = divmod(number, SEEDS)
    student, method = divmod(group, len(METHODS))
    name, rng = f"student{student:02d}", random.Random(number)
    run = exp / f"{name}_{METHODS[method]}_seed{seed}"
    train(run, {"loss": 200.0, "loss_ctc": 150.0, "loss_skd": 50.0})
    conf = dict(CONFIG)
    if METHODS[method].startswith("rkd"):
        first = exp / f"{name}_rkd_seed{seed}"
        train(first, {"loss": 1.0, "loss_rkd": 1.0})
        (first / "distill.yaml").write_text("terms: {rkd: {frame_weights: nonblank}}\n")
        conf["init_param"] = [f"exp/{first.name}/best.pth:encoder:encoder"]
    (run / "config.yaml").write_text(yaml.safe_dump(conf))
    info = {"student": name, "teacher": "t", "method": METHODS[method], "seed": seed}
    (run / "run.yaml").write_text(yaml.safe_dump({**info, "total_epochs": EPOCHS}))
    size = {"parameters": 10_000 * (student + 1), "rtf": 0.001 * (student + 1)}
    (run / "measure.json").write_text(json.dumps(size))
    for n in range(SETS):
        decoded = run / f"decode_ctc_greedy/set{n}"
        decoded.mkdir(parents=True)
        wrong = rng.randrange(100, 600)
        counts = dict(zip(COLUMNS, (200, 2400, 2400 - wrong, wrong, 0, 0, wrong, 99)))
        (decoded / "score.json").write_text(json.dumps({"wer": counts, "cer": counts}))
        (decoded / "text").write_text(say(rng, wrong / 2400))


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as directory:
        exp, data, out = (Path(directory) / name for name in ("exp", "data", "out"))
        for number in range(runs):
            add_run(exp, number)
        for n in range(SETS):
            (data / f"set{n}").mkdir(parents=True)
            (data / f"set{n}/text").write_text(say(random.Random(0), 0.0))
        begin = time.perf_counter()
        paths = {"--expdir": exp, "--datadir": data, "--page": out}
        words = [str(word) for pair in paths.items() for word in pair]
        command = [sys.executable, "-c", COMMAND, *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        size = (out / "report.html").stat().st_size / 1e6
        pictures = len(list((out / "pictures").glob("*.svg")))
    peak = re.search(r"VmHWM:\s*(\d+) kB", done.stdout)[1]
    print(
        f"{runs} runs: {seconds:.1f} s, {int(peak) / 1024:.0f} MB, "
        f"page of {size:.1f} MB with {pictures} pictures"
    )


if __name__ == "__main__":
    main()
