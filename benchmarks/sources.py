"""An epoch of a student, by where its teacher's outputs come from.

    python benchmarks/sources.py [--size small|medium|large] [--rounds 3]

1. stock: no distillation
2. cache: product-quantised hidden states and the eight likeliest tokens
3. rerun: the teacher is asked again at every epoch
4. hdf5: one HDF5 file with all hidden states and posteriors in float32

Every way reads audio and outputs with ESPnet's dataset and collation, in the training
process, over the same batches of noise of 4 to 16 s; the ways alternate. The student is
half as deep as its teacher. Printed are epochs relative to stock, bytes a frame, and
what was paid before the first epoch, in stock epochs.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, Mapping

import h5py
import torch
from dump import make_corpus, make_teacher
from espnet2.tasks.asr import ASRTask
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.train.dataset import ESPnetDataset
from step_cost import SIZES, TERMS, build, train_step
from torch import Tensor

from espnet_tutornet.cache.manifest import read_manifest
from espnet_tutornet.cache.store import load_codebooks
from espnet_tutornet.distill.distiller import Distiller
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.tasks.teachers import DATA_TYPE
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.dump import Keep, Workers, dump
from espnet_tutornet.teacher.listen import Listener, Source, plan_batches
from espnet_tutornet.teacher.online import OnlineTeacher

TOKENS_A_SECOND = 3
FS = 16000


class FullTeacher:
    """A teacher whose hidden states and log probabilities come side by side."""

    def __init__(self, teacher: OnlineTeacher):
        self.width, self.frame_shift = teacher.sizes["last"], teacher.frame_shift

    def __call__(self, batch: Mapping[str, Tensor]) -> TeacherOutputs:
        """Split the stream."""
        hidden, log_probs = batch["teacher"].split(
            [self.width, batch["teacher"].size(2) - self.width], dim=2
        )
        lens = batch["teacher_lengths"]
        return TeacherOutputs(lens, {"last": hidden}, log_probs, self.frame_shift)


def write_cache(directory: Path, source: Source, lengths: Dict[str, int]) -> int:
    """Write the cache in its default form; return its bytes."""
    (directory / "cache").mkdir()
    keep = Keep("pq", 32, top_k=8, shard_utterances=250)
    dump(directory / "cache", source, keep, lengths, Workers(nj=1))
    return _size(directory / "cache")


def write_hdf5(directory: Path, source: Source, lengths: Dict[str, int]) -> int:
    """Write everything in float32; return the bytes."""
    listener = Listener(source)
    with h5py.File(directory / "full.h5", "w") as f:
        for utt_id, streams in listener.outputs(sorted(lengths), lengths):
            f[utt_id] = torch.cat([streams["last"], streams["posteriors"]], 1).numpy()
    return _size(directory / "full.h5")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def make_student(size: dict, teacher, sizes: Mapping[str, int]):
    """Build a student, distilled unless ``teacher`` is None."""
    network = {"width": size["width"], "vocabulary": size["vocabulary"]}
    task = ASRTask if teacher is None else TutorNetTask
    model, _ = build(task, blocks=size["blocks"] // 2, **network)
    if teacher is not None:
        student_sizes = probe_model(model).sizes
        distiller = Distiller(TERMS, student_sizes, sizes, blank_id=0)
        model.set_distillation(distiller, teacher)
    return model


def make_epoch(
    model, batches: List[List[str]], streams: List[tuple], vocabulary: int
) -> Callable[[], None]:
    """Return a function that trains one epoch."""
    dataset = ESPnetDataset(streams, preprocess=lambda utt_id, data: data)
    collate = CommonCollateFn(int_pad_value=-1)

    def run() -> None:
        for ids in batches:
            _, batch = collate([dataset[utt_id] for utt_id in ids])
            tokens = int(TOKENS_A_SECOND * int(batch["speech_lengths"].min()) / FS)
            batch["text"] = torch.randint(2, vocabulary - 1, (len(ids), tokens))
            batch["text_lengths"] = torch.full((len(ids),), tokens)
            train_step(model, batch)

    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = SIZES[options.size]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        lengths = make_corpus(directory)
        source = make_teacher(directory, size)
        ids = sorted(lengths, key=lambda i: -lengths[i])
        batches = list(plan_batches(ids, lengths, size["batch"] * 12 * FS))
        before, bytes_kept = {"stock": 0.0, "rerun": 0.0}, {}
        for name, write in (("cache", write_cache), ("hdf5", write_hdf5)):
            start = time.perf_counter()
            bytes_kept[name] = write(directory, source, lengths)
            before[name] = time.perf_counter() - start
        online = OnlineTeacher.from_files(source.config, source.model)
        manifest = read_manifest(directory / "cache")
        books = load_codebooks(directory / "cache")
        teachers = {
            "stock": None,
            "cache": CachedTeacher(manifest, books),
            "rerun": online,
            "hdf5": FullTeacher(online),
        }
        streams = {
            "cache": [(str(directory / "cache"), "teacher", DATA_TYPE)],
            "hdf5": [(str(directory / "full.h5"), "teacher", "hdf5")],
        }
        audio = [(source.wav_scp, "speech", "sound")]
        epochs = {
            name: make_epoch(
                make_student(size, teacher, online.sizes),
                batches,
                audio + streams.get(name, []),
                size["vocabulary"],
            )
            for name, teacher in teachers.items()
        }
        seconds: Dict[str, List[float]] = {name: [] for name in epochs}
        for number in range(options.rounds + 1):
            for name, run in epochs.items():
                start = time.perf_counter()
                run()
                if number:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{options.size}: {len(batches)} batches, {manifest.frames} frames, "
        f"{torch.get_num_threads()} threads, {options.rounds} rounds, "
        f"a stock epoch {median['stock']:.1f} s"
    )
    for name in epochs:
        print(
            f"  {name:5s}  epoch {median[name] / median['stock']:.2f}, before "
            f"{before[name] / median['stock']:.2f}, bytes a frame "
            f"{bytes_kept.get(name, 0) / manifest.frames:.0f}"
        )


if __name__ == "__main__":
    main()
