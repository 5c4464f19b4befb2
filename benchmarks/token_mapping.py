"""What a teacher of 50 000 tokens costs a student that has 1 500 of them.

    python benchmarks/token_mapping.py [--size small|medium] [--rounds 31]

1. (step with RKD + SKD, the teacher's tokens mapped) / (the same with a teacher of the
   student's own tokens), both from a cache; the median over the rounds of the ratio of
   two steps that follow each other
2. memory and time of unpacking the posteriors: mapped, of the student's own tokens, and
   as a tensor of all tokens
3. bytes that a cache takes per frame of posteriors

Half of the tokens that the cache kept are ones that the student lacks.
"""

import argparse
import copy
import random
import statistics
import time
from functools import partial
from typing import Callable, Dict, List

import torch
from memory import PeakMemory
from step_cost import SIZES, TERMS, build, make_batch, train_step

from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.distill.distiller import Distiller
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.mapped import map_teacher

FEW, MANY, TOP_K = 1500, 50000, 8


def name_tokens(count: int) -> List[str]:
    """Name tokens as ``step_cost`` does; the shorter list is part of the longer."""
    return ["<blank>", "<unk>", *map(str, range(count - 3)), "<sos/eos>"]


def make_teacher(count: int, width: int, frame_shift: float) -> CachedTeacher:
    """Make the reader of a cache of a teacher with ``count`` tokens."""
    manifest = Manifest(
        fingerprint="",
        fs=16000,
        frame_shift=frame_shift,
        token_list=name_tokens(count),
        blank_id=0,
        layers={"last": {"form": "two_byte", "width": width, "codes": 0}},
        top_k=TOP_K,
    )
    return CachedTeacher(manifest, {})


def make_stream(
    teacher: CachedTeacher, batch: int, frames: int
) -> Dict[str, torch.Tensor]:
    """Make what the loader brings; every other kept token is one of the last."""
    form = teacher.forms["posteriors"]
    ids = torch.stack([torch.randperm(FEW - 3)[: TOP_K - 1] + 1] * batch * frames)
    ids[:, ::2] += form.vocab_size - FEW
    probs = torch.randn(batch * frames, TOP_K).softmax(-1) * 0.99 * 32767
    kept = torch.cat([ids + form.first_id, probs.round()], dim=-1)
    hidden = torch.randn(batch, frames, teacher.sizes["last"])
    matrix = torch.cat([hidden, kept.view(batch, frames, -1)], dim=-1)
    return {"teacher": matrix, "teacher_lengths": torch.full((batch,), frames)}


def cpu_seconds(work: Callable[[], None]) -> float:
    """Measure the CPU time of some work: others may use the machine."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare_pairs(
    one: Callable[[], None], other: Callable[[], None], rounds: int
) -> List[float]:
    """Time two pieces of work in turn; return CPU time of one / of the other."""
    ratios = []
    for number in range(rounds + 2):
        seconds = {}
        for name in random.Random(number).sample(["one", "other"], 2):
            seconds[name] = cpu_seconds({"one": one, "other": other}[name])
        if number > 1:  # the first rounds warm up
            ratios.append(seconds["one"] / seconds["other"])
    return ratios


def main() -> None:
    """Print the three parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("small", "medium"), default="medium")
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    size = {**SIZES[options.size], "vocabulary": FEW}
    torch.manual_seed(0)
    student, _ = build(TutorNetTask, size["blocks"], size["width"], FEW)
    probe = probe_model(student)
    own = make_teacher(FEW, size["width"], probe.frame_shift)
    large = make_teacher(MANY, size["width"], probe.frame_shift)
    mapped = map_teacher(copy.deepcopy(large), student.token_list)
    batch = make_batch(size["batch"], size["seconds"], FEW)
    frames = int(size["seconds"] * 25) - 1
    streams = {
        name: make_stream(teacher, size["batch"], frames)
        for name, teacher in (("own", own), ("large", large))
    }
    pupils = {}
    for name, teacher in (("own", own), ("mapped", mapped)):
        pupils[name] = copy.deepcopy(student)
        distiller = Distiller(TERMS, probe.sizes, teacher.sizes, 0, vocab_size=FEW)
        pupils[name].set_distillation(distiller, teacher)

    ratios = compare_pairs(
        lambda: train_step(pupils["mapped"], {**batch, **streams["large"]}),
        lambda: train_step(pupils["own"], {**batch, **streams["own"]}),
        options.rounds,
    )
    low, _, high = statistics.quantiles(ratios, n=4)
    print(
        f"{options.size}: {size}, T={frames}; step with mapped tokens / with own: "
        f"{statistics.median(ratios):.3f} (quartiles {low:.3f} to {high:.3f})"
    )
    kinds = (("mapped", mapped, "large"), ("own", own, "own"), ("all", large, "large"))
    for name, teacher, stream in kinds:
        unpack = partial(teacher, streams[stream])
        seconds = statistics.median(cpu_seconds(unpack) for _ in range(15))
        with PeakMemory() as memory:
            unpack()
        print(
            f"unpacked, {name:6s} {memory.peak / 2**20:7.1f} MiB "
            f"{1000 * seconds:7.2f} ms"
        )
    for count in (5000, MANY):
        form = make_teacher(count, 8, 1.0).forms["posteriors"]
        print(f"bytes per frame, V = {count}: {form.bytes_per_frame}")


if __name__ == "__main__":
    main()
