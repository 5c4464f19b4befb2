"""Seconds and memory to gather and summarise a comparison of five hundred runs.

python benchmarks/compare.py [--runs 500] [--utterances 200]
"""

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from espnet_tutornet.compare.grid import Setting
from espnet_tutornet.compare.outcomes import Outcome, read_outcome
from espnet_tutornet.compare.records import Records
from espnet_tutornet.compare.summary import summarise_comparison
from espnet_tutornet.compare.tables import write_tables
from espnet_tutornet.compare.trials import Trial
from espnet_tutornet.scoring.score import score

SETS = ("dev_clean", "test_clean", "test_other")
METHODS = ("none", "skd", "rkd_task", "rkd_skd", "kl")


def make_scores(out: Path, utterances: int) -> list:
    """Score ten recognisers, whose files the runs are then given."""
    rng = random.Random(0)
    refs = {f"u{n:05d}": rng.choices("ABCDEFGHIJ", k=6) for n in range(utterances)}
    found = []
    for index in range(10):
        rate = 0.05 + 0.01 * index
        hyps = {u: [w for w in r if rng.random() > rate] for u, r in refs.items()}
        counts = score(out / f"{index}", refs, hyps, "internal")
        report = json.dumps({"set": "x", "backend": "x", "wer": counts, "cer": counts})
        found.append((report, (out / f"{index}/result.txt").read_text()))
    return found


def make_run(out: Path, trial: Trial, scores: list) -> None:
    """Write what run.sh would leave of a trial."""
    run = out / trial.directory
    for name in SETS:
        folder = run / "decode_ctc_greedy" / name / "score_wer"
        folder.mkdir(parents=True)
        report, text = random.choice(scores)
        (folder / "result.txt").write_text(text)
        (folder.parent / "score.json").write_text(report)
    (run / "train.log").write_text("a line of a log\n" * 5000 + "# ended, 100.0 s\n")
    (run / "measure.json").write_text('{"parameters": 40000, "rtf": 0.001}')
    (run / "run.yaml").write_text(
        f"student: {trial.config_name}\nteacher: t\nmethod: {trial.method}\n"
        f"seed: {trial.seed}\ntotal_epochs: 20\nconfig: a.yaml\n"
    )


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--utterances", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        scores = make_scores(out / "scores", args.utterances)
        trials = []
        for number in range(args.runs // 25):
            setting = Setting(f"s{number}", "s", {}, {}, (), (), (), (), ())
            trials += [
                Trial(setting, "a.yaml", method, seed)
                for method in METHODS
                for seed in range(1, 6)
            ]
        for trial in trials:
            make_run(out, trial, scores)
        start = time.perf_counter()
        outcomes = [
            Outcome(trial, "final", "done", "0" * 64, trial.directory, "ctc_greedy")
            for trial in trials
        ]
        outcomes = [read_outcome(out, outcome) for outcome in outcomes]
        teachers = {trial.setting: "" for trial in trials}
        write_tables(out, outcomes, teachers, Records())
        gathered = time.perf_counter()
        summarise_comparison(out)
        end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(trials)} runs, {len(SETS)} sets of {args.utterances} utterances: "
        f"gathered in {gathered - start:.1f} s, summarised in {end - gathered:.1f} s, "
        f"{peak:.0f} MB in all"
    )


if __name__ == "__main__":
    main()
