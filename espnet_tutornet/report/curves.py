"""Training curves of a run, from ESPnet's checkpoint or its log."""

import math
import re
from pathlib import Path
from typing import Dict, List, Tuple

from espnet_tutornet.jobs.checkpoint import load_statistics

# mode ("train", "valid") -> logged key -> epoch -> value
Curves = Dict[str, Dict[str, Dict[int, float]]]
MODES = ("train", "valid")
EPOCH_LINE = re.compile(r"INFO: (\d+)epoch results: (.*)")
MODE_PART = re.compile(r"\[(\w+)\] ([^\[]*)")
VALUE = re.compile(r"(\w+)=([-+.\w]+)")


def read_curves(rundir: Path) -> Tuple[Curves, str]:
    """Read the loss terms of every epoch, and the norm of the gradient.

    The numbers of ``checkpoint.pth`` are exact; where it is gone or damaged, those of
    ``train.log`` have three digits behind the point.

    Args:
        rundir: directory of a training.

    Returns:
        The curves, and the name of the file that they are from: "" where there is
        neither.
    """
    checkpoint, log = rundir / "checkpoint.pth", rundir / "train.log"
    if checkpoint.is_file():
        try:
            return _select(load_statistics(checkpoint)), checkpoint.name
        except ValueError:
            pass  # the log says the same, less exactly
    if log.is_file():
        curves = parse_log(log.read_text(encoding="utf-8", errors="replace"))
        if curves:
            return curves, log.name
    return {}, ""


def parse_log(text: str) -> Curves:
    """Read the lines ``<n>epoch results: [train] key=value, ... [valid] ...``.

    An epoch that comes twice, after a resumed training, counts as the last time.

    Example:
        >>> parse_log("INFO: 2epoch results: [train] loss=1.5, time=3 seconds")
        {'train': {'loss': {2: 1.5}}}
    """
    stats: Dict[int, Dict[str, Dict]] = {}
    for epoch, said in EPOCH_LINE.findall(text):
        stats[int(epoch)] = {
            mode: {key: _number(value) for key, value in VALUE.findall(part)}
            for mode, part in MODE_PART.findall(said)
        }
    return _select(stats)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_drawn(key: str) -> bool:
    """Whether a logged key is a loss, or the norm of the gradient.

    ``loss_scale`` is that of half precision.
    """
    return key.split("_")[0] == "loss" and key != "loss_scale" or key == "grad_norm"


def _select(stats: Dict[int, Dict[str, Dict]]) -> Curves:
    """Keep what is drawn and finite, key by key."""
    curves: Curves = {}
    for epoch in sorted(stats):
        for mode in MODES:
            for key, value in stats[epoch].get(mode, {}).items():
                number = isinstance(value, (int, float)) and math.isfinite(value)
                if is_drawn(key) and number:
                    lines = curves.setdefault(mode, {}).setdefault(key, {})
                    lines[epoch] = float(value)
    return curves


def last_epoch(curves: Curves) -> int:
    """Return the last epoch of any curve, 0 without one."""
    epochs = [e for keys in curves.values() for line in keys.values() for e in line]
    return max(epochs, default=0)


def join_stages(first: Curves, second: Curves) -> Curves:
    """Count the epochs of the second stage on from the last one of the first.

    Example:
        >>> stage = {"valid": {"loss": {1: 0.5, 2: 0.25}}}
        >>> join_stages(stage, stage)
        {'valid': {'loss': {1: 0.5, 2: 0.25, 3: 0.5, 4: 0.25}}}
    """
    shift = last_epoch(first)
    joined: Curves = {
        mode: {key: dict(line) for key, line in keys.items()}
        for mode, keys in first.items()
    }
    for mode, keys in second.items():
        for key, line in keys.items():
            target = joined.setdefault(mode, {}).setdefault(key, {})
            target.update({epoch + shift: value for epoch, value in line.items()})
    return joined


def list_terms(curves: List[Curves]) -> List[str]:
    """List the keys of any curve: ``loss`` first, the gradient's norm last."""
    keys = {key for each in curves for lines in each.values() for key in lines}
    return sorted(keys, key=lambda key: (key != "loss", key == "grad_norm", key))
