"""Throughput of keeping a teacher's outputs, against the bare teacher.

    python benchmarks/dump.py [--size small|medium|large] [--rounds 3]
        [--data_dir dump/train_clean] [--unpadded]

(time of the teacher's forward passes over a corpus in padded batches, as ESPnet runs
them) / (time of stage 8 over the same corpus: passes in which no utterance hears
padding, encoding, compression, writing). Alternating; audio is read in both. The corpus
is noise, or the utterances of a data directory. With --unpadded the teacher is asked
as one that cannot be masked: utterances of one length together.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from espnet2.tasks.asr import ASRTask
from step_cost import SIZES, build

from espnet_tutornet.cache.forms import learn_codebooks
from espnet_tutornet.cache.store import write_shard
from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.layers.independence import UNPADDED
from espnet_tutornet.teacher.listen import Listener, Source, plan_batches

UTTERANCES = 48
FS = 16000


def make_corpus(directory: Path) -> dict:
    """Write noise of 4 to 16 s and a wav.scp; return the lengths in samples."""
    rng = np.random.default_rng(0)
    lengths = {}
    with (directory / "wav.scp").open("w") as f:
        for number in range(UTTERANCES):
            samples = int(rng.uniform(4 * FS, 16 * FS))
            path = directory / f"{number}.wav"
            soundfile.write(path, rng.uniform(-0.1, 0.1, samples), FS)
            lengths[f"u{number:03d}"] = samples
            print(f"u{number:03d} {path}", file=f)
    return lengths


def read_corpus(data_dir: Path, directory: Path) -> dict:
    """Take the utterances of a data directory; return the lengths in samples."""
    wav_scp = (data_dir / "wav.scp").read_text(encoding="utf-8")
    (directory / "wav.scp").write_text(wav_scp, encoding="utf-8")
    lengths = read_two_columns(data_dir / "utt2num_samples")
    return {utt_id: int(samples) for utt_id, samples in lengths.items()}


def make_teacher(directory: Path, size: dict) -> Source:
    """Save a random teacher as ESPnet would."""
    network = {k: size[k] for k in ("blocks", "width", "vocabulary")}
    model, args = build(ASRTask, **network)
    torch.save(model.state_dict(), directory / "model.pth")
    with (directory / "config.yaml").open("w") as f:
        yaml.safe_dump(vars(args), f)
    files = (str(directory / name) for name in ("config.yaml", "model.pth", "wav.scp"))
    return Source(*files, layers=("last",), posteriors=True, batch_frames=3000)


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data_dir", type=Path, help="Instead of noise")
    parser.add_argument("--unpadded", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        if options.data_dir:
            lengths = read_corpus(options.data_dir, directory)
        else:
            lengths = make_corpus(directory)
        source = make_teacher(directory, SIZES[options.size])
        listener, bare = Listener(source), Listener(replace(source, masked=False))
        if options.unpadded:
            listener.teacher.padding = UNPADDED
        ids = sorted(lengths, key=lambda i: -lengths[i])
        limit = int(source.batch_frames * listener.teacher.frame_shift)
        batches = list(plan_batches(ids, lengths, limit))
        plan = listener.manifest("pq", 32, top_k=8)
        hidden = torch.cat([s["last"] for _, s in listener.outputs(ids, lengths)])
        forms = plan.forms({"last": learn_codebooks(hidden.numpy(), 32)})
        seconds = {"forward": [], "dump": []}
        for _ in range(options.rounds):
            start = time.perf_counter()
            for batch in batches:
                bare.listen(batch)
            seconds["forward"].append(time.perf_counter() - start)
            start = time.perf_counter()
            write_shard(directory, "00000", forms, listener.outputs(ids, lengths))
            seconds["dump"].append(time.perf_counter() - start)
        forward, dump = (statistics.median(seconds[k]) for k in ("forward", "dump"))
        audio = sum(lengths.values()) / FS
    print(
        f"{options.size}: {audio:.0f} s of audio, forward {forward:.2f} s, dump "
        f"{dump:.2f} s ({audio / dump:.0f} x real time): throughput of the dump / of "
        f"the bare teacher {forward / dump:.3f}"
    )


if __name__ == "__main__":
    main()
