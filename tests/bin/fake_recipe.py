"""Stages that take the options of the real ones, and pretend to train."""

import json
import random
import sys
import time
from pathlib import Path

from espnet_tutornet.experiment.methods import Method
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.scoring.sets import score_set

# words that go wrong in a hundred, by method
ERRORS = {"none": 30, "skd": 10, "rkd_task": 25, "rkd_skd": 9, "teacher": 5}


def prepare(options):
    """Write a set of 40 utterances, with the corpus's own transcripts."""
    text = Path(options["corpus_dir"], "text").read_text()
    for name in ("train_clean", "dev_clean", "test_clean"):
        folder = Path(options["datadir"], name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "text").write_text(text)
        lines = [f"{line.split()[0]} 8000\n" for line in text.splitlines()]
        (folder / "utt2num_samples").write_text("".join(lines))


def finish(folder, step):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{step}.log").open("a") as f:
        f.write(f"# python -m {step}\n# ended, 12.5 s\n")
    (folder / f".{step}.done").write_text("stamp\n")


def decode(options, run, name, errors, seed):
    folder = run / "decode_ctc_bs1" / name
    finish(folder, "decode")
    rng = random.Random(f"{seed} {name}")
    lines = []
    for line in Path(options["datadir"], name, "text").read_text().splitlines():
        utt_id, *words = line.split()
        words = [word if rng.random() * 100 > errors else "X" for word in words]
        lines.append(" ".join([utt_id, *words]) + "\n")
    (folder / "text").write_text("".join(lines))
    score_set(Path(options["datadir"]), folder, "internal", force=True)


def describe(run, student, method, seed, options):
    (run / "run.yaml").write_text(
        f"student: {student}\nteacher: big\nmethod: {method}\nseed: {seed}\n"
        f"total_epochs: {options['total_epochs']}\nconfig: a.yaml\n"
    )
    (run / "measure.json").write_text(json.dumps({"parameters": 40_000, "rtf": 0.002}))


def train(options, config, method, seed):
    student = Path(config).stem.removeprefix("train_")
    run = Path(options["expdir"], f"{student}_{method}_seed{seed}")
    form = Method.parse(method).form
    if form:
        finish(run.with_name(f"{student}_{form}_seed{seed}"), "train")
    run.mkdir(parents=True, exist_ok=True)
    if "broken" in Path(config).read_text() or method == "broken":
        (run / ".train.done").unlink(missing_ok=True)
        (run / "train.log").write_text("much\n" * 50 + "KeyError: 'the cause'\n")
        return
    finish(run, "train")
    finish(run, "export")
    name, _, rate = student.partition("_lr")
    best = "0.01" if method == "skd" else "0.1"
    errors = ERRORS[method] + (20 if rate not in ("", best) else 0)
    describe(run, student, method, seed, options)
    for name in options["test_sets"].split():
        decode(options, run, name, errors, seed)


def link_teacher(options):
    teacher = Path(options["teacher_dir"])
    teacher.mkdir(parents=True, exist_ok=True)
    time.sleep(3 if options["asr_args"] == "slow" else 0)
    describe(teacher, "big", "teacher", 0, options)
    for name in options["test_sets"].split():
        decode(options, teacher, name, ERRORS["teacher"], 0)
    cache = Path(options["teacher_cache"])
    cache.mkdir(exist_ok=True)
    (cache / "manifest.json").write_text('{"fingerprint": "0123456789abcdef"}')
    link = Path(options["expdir"], "big")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.is_symlink() or link.symlink_to(teacher)


def main(words):
    options = Options.parse(words).words()
    options["test_sets"] = options["test_sets"] or "test_clean"
    with Path("calls.txt").open("a") as f:
        print(json.dumps(options), file=f)
    if options["asr_args"] == "crash" and options["stage"] == "5":
        sys.exit("error: no teacher")
    if options["stop_stage"] == "4":
        return prepare(options)
    link_teacher(options)
    if options["asr_args"] == "edit":
        Path("conf/distill_skd.yaml").write_text("edited: true\n")
    for method in options["methods"].split():
        for config in options["student_asr_config"].split():
            for seed in options["seeds"].split():
                train(options, config, method, seed)
