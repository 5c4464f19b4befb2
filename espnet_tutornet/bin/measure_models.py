"""Count parameters and measure the real-time factor of greedy CTC on one CPU thread."""

import argparse
import json
import time
from pathlib import Path
from typing import List

import soundfile
import torch
from tqdm import tqdm

from espnet_tutornet.bin.command import exit_on_error
from espnet_tutornet.recipe.data_dir import read_two_columns
from espnet_tutornet.recipe.files import atomic_write
from espnet_tutornet.teacher.loading import load_model

UTTERANCES = 20


@torch.no_grad()
def real_time_factor(model: torch.nn.Module, waves: List[torch.Tensor], fs: int):
    """Divide the time to encode and take the best CTC path by the audio's duration.

    Utterances go one by one, after a warm-up; a model without CTC is encoded alone.

    Args:
        model: an ESPnet ASR model in eval mode.
        waves: (S,) samples each.
        fs: sampling rate in Hz.

    Returns:
        Seconds of work a second of audio.
    """
    model.encode(waves[0][None], torch.tensor([len(waves[0])]))
    start = time.perf_counter()
    for wave in waves:
        encoder_out, _ = model.encode(wave[None], torch.tensor([len(wave)]))
        if isinstance(encoder_out, tuple):
            encoder_out = encoder_out[0]
        if model.ctc is not None:
            torch.unique_consecutive(model.ctc.argmax(encoder_out)[0])
    seconds = sum(len(wave) for wave in waves) / fs
    return (time.perf_counter() - start) / seconds


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
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
        model, _ = load_model(config, model_file)
        measured = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "rtf": real_time_factor(model, waves, fs),
        }
        with atomic_write(Path(directory) / "measure.json") as f:
            json.dump(measured, f)


if __name__ == "__main__":
    main()
