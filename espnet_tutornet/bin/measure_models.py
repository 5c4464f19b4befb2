"""Measure models: parameters, MACs, bytes, and real-time factors on one CPU thread.

``measure.json`` holds ``parameters``; ``macs_per_second``, multiply-accumulates a
second of audio; ``size_bytes`` of the .pth; ``rtf`` and ``rtf_int8``, the real-time
factors of greedy CTC in float32 and after ESPnet's ``--quantize_asr_model true``, the
latter null for a model that it does not run.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import soundfile
import torch
from tqdm import tqdm

from espnet_tutornet.bin.command import exit_on_error
from espnet_tutornet.recipe.data_dir import read_two_columns
from espnet_tutornet.recipe.files import atomic_write
from espnet_tutornet.tasks.cost import (
    macs_per_second,
    quantize_linear,
    real_time_factor,
)
from espnet_tutornet.teacher.loading import load_model

UTTERANCES = 20


def measure_model(
    config: str, model_file: str, waves: List[torch.Tensor], fs: int
) -> Dict[str, Any]:
    """Return what ``measure.json`` holds of one model; a note goes to stderr.

    Args:
        config: ESPnet's config.yaml.
        model_file: the .pth that belongs to it.
        waves: (S,) samples each, to time on.
        fs: sampling rate in Hz.
    """
    model, _ = load_model(config, model_file)
    measured: Dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "rtf": real_time_factor(model, waves, fs),
        "macs_per_second": macs_per_second(model, fs),
        "size_bytes": Path(model_file).stat().st_size,
        "rtf_int8": None,
    }
    try:
        measured["rtf_int8"] = real_time_factor(quantize_linear(model), waves, fs)
    except (AttributeError, RuntimeError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"{model_file} does not run in int8: {reason}", file=sys.stderr)
    return measured


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wav_scp", type=Path, required=True, help="Audio to time on")
    parser.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="DIR=CONFIG=MODEL",
        help="Models to measure; DIR gets measure.json",
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write ``measure.json`` for each model."""
    args = get_parser().parse_args(cmd)
    torch.set_num_threads(1)
    paths = list(read_two_columns(args.wav_scp).values())[:UTTERANCES]
    audio = [soundfile.read(path, dtype="float32") for path in paths]
    waves, fs = [torch.from_numpy(wave) for wave, _ in audio], audio[0][1]
    for triple in tqdm(args.models, desc="measuring", unit="model", disable=None):
        directory, config, model_file = triple.split("=")
        measured = measure_model(config, model_file, waves, fs)
        with atomic_write(Path(directory) / "measure.json") as f:
            json.dump(measured, f)


if __name__ == "__main__":
    main()
