"""Measure what models cost: those that are trained, and those that could be.

``measure.json`` of a trained one holds ``parameters``; ``macs_per_second``,
multiply-accumulates a second of audio; ``size_bytes`` of the .pth; ``rtf`` and
``rtf_int8``, the real-time factors of greedy CTC in float32 and after ESPnet's
``--quantize_asr_model true``, the latter null for a model that it does not run;
``network``, a hash of the network, audio and machine.
"""

import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import soundfile
import torch

from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.experiment.card import format_count
from espnet_tutornet.experiment.results import SIZE_KEYS, read_json
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.student.best_path import TooShort, find_best_path
from espnet_tutornet.student.cost import (
    describe_network,
    macs_per_second,
    quantize_linear,
    real_time_factor,
    saved_bytes,
)
from espnet_tutornet.student.untrained import build_untrained
from espnet_tutornet.teacher.loading import load_config, load_model
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import read_yaml

HEADER = ["Configuration", "Encoder", "Parameters", "MACs/s", "float32", "int8"]
HEADER += ["Frame shift"]
UTTERANCES = 20  # that are timed on


class Measuring:
    """Measure trained models on one CPU thread.

    Args:
        wav_scp: audio to time on.
        expdir: of runs; a network that one of them is of is not measured again.
    """

    def __init__(self, wav_scp: Path, expdir: Optional[Path] = None):
        torch.set_num_threads(1)
        self.paths = list(read_two_columns(wav_scp).values())[:UTTERANCES]
        audio = [soundfile.read(path, dtype="float32") for path in self.paths]
        self.waves = [torch.from_numpy(wave) for wave, _ in audio]
        self.fs, self.expdir = audio[0][1], expdir

    def measure(self, directory: str, config: str, model_file: str) -> None:
        """Write ``measure.json`` of a model into its directory."""
        network = hash_network(config, self.paths)
        measured = find_measured(self.expdir, network)
        measured = measured or measure_model(config, model_file, self.waves, self.fs)
        size = Path(model_file).stat().st_size
        measured = {**measured, "size_bytes": size, "network": network}
        with atomic_write(Path(directory) / "measure.json") as f:
            json.dump(measured, f)


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


def names_encoder(path: Path) -> bool:
    """Tell a model's configuration from those that are laid over one.

    Raises:
        ValueError: the file is no yaml mapping.
    """
    return "encoder" in read_yaml(path)


def size_row(path: Path, vocab_size: int, fs: int) -> List[str]:
    """Return the row of :data:`HEADER` for a configuration that is not trained.

    The model is built with random parameters and run on the CPU. Sizes are those of
    the .pth that it would be saved to, in float32 and with its linear layers in int8.
    """
    torch.set_num_threads(1)
    model = build_untrained(path, fs, vocab_size)
    return [
        path.stem,
        type(model.encoder).__name__,
        format_count(sum(p.numel() for p in model.parameters())),
        format_count(macs_per_second(model, fs)),
        f"{format_count(saved_bytes(model))}B",
        f"{format_count(saved_bytes(quantize_linear(model)))}B",
        f"{1000 * probe_model(model).frame_shift / fs:g} ms",
    ]
