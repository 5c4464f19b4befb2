"""Measure models: parameters, MACs, bytes, and real-time factors on one CPU thread.

``measure.json`` holds ``parameters``; ``macs_per_second``, multiply-accumulates a
second of audio; ``size_bytes`` of the .pth; ``rtf`` and ``rtf_int8``, the real-time
factors of greedy CTC in float32 and after ESPnet's ``--quantize_asr_model true``, the
latter null for a model that it does not run; ``network``, a hash of the network, audio
and machine. Models of one network cost the same: with ``--expdir`` the numbers are
those of a run there that was measured before.
"""

import argparse
import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import soundfile
import torch
from tqdm import tqdm

from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.experiment.results import SIZE_KEYS, read_json
from espnet_tutornet.student.best_path import TooShort, find_best_path
from espnet_tutornet.student.cost import (
    describe_network,
    macs_per_second,
    quantize_linear,
    real_time_factor,
)
from espnet_tutornet.teacher.loading import load_config, load_model
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write

UTTERANCES = 20


def measure_model(
    config: str, model_file: str, waves: List[torch.Tensor], fs: int
) -> Dict[str, Any]:
    """Return what ``measure.json`` holds of a network; a note goes to stderr.

    Args:
        config: ESPnet's config.yaml.
        model_file: the .pth that belongs to it.
        waves: (S,) samples each, to time on.
        fs: sampling rate in Hz.

    Raises:
        ValueError: all are too short for the model; those that are, are passed over.
    """
    model, _ = load_model(config, model_file)
    heard = [wave for wave in waves if _hears(model, wave)]
    if not heard:
        raise ValueError(
            f"{model_file}: expected audio to time on, but all {len(waves)} utterances "
            f"are too short for it, the longest has {max(map(len, waves))} samples. "
            "Give longer ones (--wav_scp; of run.sh the first of --test_sets)."
        )
    measured: Dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "rtf": real_time_factor(model, heard, fs),
        "macs_per_second": macs_per_second(model, fs),
        "rtf_int8": None,
    }
    try:
        measured["rtf_int8"] = real_time_factor(quantize_linear(model), heard, fs)
    except (AttributeError, RuntimeError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"{model_file} does not run in int8: {reason}", file=sys.stderr)
    return measured


def _hears(model: torch.nn.Module, wave: torch.Tensor) -> bool:
    try:
        find_best_path(model, wave)
    except TooShort:
        return False
    return True


def hash_network(config: str, paths: List[str]) -> str:
    """Hash all that the numbers depend on, the size of the .pth aside.

    Args:
        config: ESPnet's config.yaml.
        paths: of the audio that is timed on.
    """
    network = describe_network(load_config(config))
    where = paths, platform.node(), torch.__version__
    return hashlib.sha256(json.dumps([network, where]).encode()).hexdigest()


def find_measured(expdir: Optional[Path], network: str) -> Optional[Dict[str, Any]]:
    """Return what was measured of a network in the runs of ``expdir``, if any was."""
    for path in sorted(expdir.glob("*/measure.json")) if expdir else ():
        measured = read_json(path, SIZE_KEYS)
        if measured.get("network") == network:
            return measured
    return None


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
    parser.add_argument(
        "--expdir", type=Path, help="Of runs, of which one may be of the same network"
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
        network = hash_network(config, paths)
        measured = find_measured(args.expdir, network)
        measured = measured or measure_model(config, model_file, waves, fs)
        size = Path(model_file).stat().st_size
        measured = {**measured, "size_bytes": size, "network": network}
        with atomic_write(Path(directory) / "measure.json") as f:
            json.dump(measured, f)


if __name__ == "__main__":
    main()
