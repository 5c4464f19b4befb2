"""Whether a job of ESPnet's did what it was to do: its exit status does not tell.

ESPnet stops a training in which nothing can be learnt with a warning and status 0, and
writes statistics of the features whatever they are.
"""

import argparse
import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, Union

import numpy as np
import yaml
from espnet2.train.distributed_utils import get_node_rank, get_num_nodes

from espnet_tutornet.jobs.checkpoint import load_statistics

STATS = ("count", "sum", "sum_square")


def check_job(args: argparse.Namespace) -> None:
    """Check what a training, or a collection of statistics, left behind.

    Args:
        args: what its command line was read to. Of several machines the first checks:
            it alone writes.

    Raises:
        RuntimeError: it is not done, and why.
    """
    nodes = get_num_nodes(args.dist_world_size, args.dist_launcher)
    if nodes > 1 and get_node_rank(args.dist_rank, args.dist_launcher):
        return
    if args.collect_stats:
        check_statistics(args.output_dir)
    else:
        check_training(args.output_dir)


def check_training(output_dir: Union[str, Path]) -> None:
    """Check that a training made its epochs, each with steps and finite losses.

    It made them when there are ``max_epoch``, or when its ``patience`` was at an end.
    Single batches may be without a step: ESPnet skips them, says so in the log, and
    leaves them out of its means.

    Args:
        output_dir: where ``config.yaml`` and ``checkpoint.pth`` are.

    Raises:
        RuntimeError: it did not; the message has the first epoch that went wrong.

    Example:
        >>> check_training("exp/student_rnn_none_seed1")  # doctest: +SKIP
    """
    output_dir = Path(output_dir)
    with (output_dir / "config.yaml").open(encoding="utf-8") as f:
        conf = yaml.safe_load(f)
    if conf.get("use_deepspeed"):  # it makes all its epochs, and keeps other files
        return
    checkpoint, stats = output_dir / "checkpoint.pth", {}
    if checkpoint.is_file():
        stats = load_statistics(checkpoint)
    total, steps_before = conf["max_epoch"], 0
    for epoch in sorted(stats):
        batches = stats[epoch]["train"]["total_count"] - steps_before
        steps_before += batches
        faults = find_faults(stats[epoch], batches)
        if faults:
            raise RuntimeError(
                f"{output_dir}: this training is not done: in epoch {epoch} of {total} "
                f"{' and '.join(faults)}. {_advise(batches, conf['accum_grad'])} The "
                "next attempt starts from the beginning."
            )
    if len(stats) < total and not stopped_early(stats, conf):
        raise RuntimeError(
            f"{output_dir}: this training is not done: expected {total} epochs, found "
            f"{len(stats)} in {checkpoint.name}. Look at the end of its log."
        )


def find_faults(epoch: Mapping[str, Mapping[str, Any]], batches: int) -> List[str]:
    """Say what went wrong in an epoch.

    Args:
        epoch: ESPnet's means over it, ``train`` and ``valid``.
        batches: how many it had in training.

    Example:
        >>> means = {"train": {"loss": 2.0, "optim_step_time": 0.1}}
        >>> find_faults({**means, "valid": {"loss": float("nan")}}, batches=9)
        ['the valid loss is nan']
    """
    losses = {mode: epoch.get(mode, {}).get("loss") for mode in ("train", "valid")}
    faults = [
        f"the {mode} loss is {'missing' if loss is None else loss}"
        for mode, loss in losses.items()
        if loss is None or not math.isfinite(loss)
    ]
    # the learning rate is logged for skipped steps, too, this time is not
    if "optim_step_time" not in epoch["train"]:
        faults.append(f"no step was made (batches: {batches})")
    return faults


def stopped_early(stats: Mapping[int, Mapping], conf: Mapping[str, Any]) -> bool:
    """Whether ESPnet's ``patience`` was at an end, as its reporter has it.

    Args:
        stats: epoch -> ``train`` and ``valid`` -> means.
        conf: ``patience`` and ``early_stopping_criterion``.
    """
    if conf["patience"] is None or not stats:
        return False
    phase, key, mode = conf["early_stopping_criterion"]
    sign = 1 if mode == "min" else -1
    best = sorted(stats, key=lambda epoch: sign * stats[epoch][phase][key])[0]
    return max(stats) - best > conf["patience"]


def check_statistics(output_dir: Union[str, Path]) -> None:
    """Check the statistics of the features: with one NaN, all that is learnt is NaN.

    Args:
        output_dir: that of ``--collect_stats true``.

    Raises:
        RuntimeError: a file is missing, is of no frame, or has a number that is not
            finite.
    """
    for mode in ("train", "valid"):
        path = Path(output_dir) / mode / "feats_stats.npz"
        if not path.is_file():
            raise RuntimeError(
                f"{path}: expected statistics, but no features were collected. Is "
                f"there an utterance in the wav.scp of {mode}, and a frontend in the "
                "configuration?"
            )
        with np.load(path) as file:
            stats: Dict[str, np.ndarray] = {key: file[key] for key in STATS}
        for key, values in stats.items():
            bad = np.count_nonzero(~np.isfinite(values))
            if bad:
                raise RuntimeError(
                    f"{path}: {bad} of {values.size} values of {key} are NaN or "
                    f"infinite. Look for such samples, or absurd ones, in the audio of "
                    f"{mode} (stage 1 names files that hold them), then run it again."
                )
        if stats["count"] < 1:
            raise RuntimeError(
                f"{path}: count is {stats['count']}, expected frames. Is there audio "
                f"in the wav.scp of {mode}?"
            )


def _advise(batches: int, accum_grad: int) -> str:
    if batches < accum_grad:
        return (
            f"A step takes more batches than an epoch has: accum_grad is {accum_grad}, "
            f"set it to {batches} at most, or make batches smaller."
        )
    return (
        "Lower the learning rate (optim_conf: lr), or look for what is not finite in "
        "audio, statistics and teacher."
    )
