"""The configuration of one training: files laid over each other, gaps filled.

What depends on the corpus is left open in the files and put in here:

- ``scheduler_conf: {max_steps: auto}``: the optimizer steps of the training, for
  batches of ``batch_size`` utterances. A scheduler that ends with it needs them.
- ``schedule: {steps: auto}`` of a term of ``distill_conf``: the training's batches.
  Terms count forward calls, so ``accum_grad`` does not divide them.
- ``num_iters_per_epoch``, where an epoch is to last as long as with another set.
- ``frontend_conf: {fs: auto, n_fft: 32ms, hop_length: 10ms}``: the sampling rate, and
  durations in samples.

``keep_nbest_models`` is lowered where the epochs are too few for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import yaml

from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import read_yaml

COUNTABLE = ("sorted", "unsorted")
NBEST = [10]  # ESPnet's own keep_nbest_models


def merge(below: dict, above: dict) -> dict:
    """Return ``below`` with ``above`` laid over it; mappings are merged, lists not.

    Example:
        >>> merge({"optim_conf": {"lr": 1, "eps": 2}}, {"optim_conf": {"lr": 3}})
        {'optim_conf': {'lr': 3, 'eps': 2}}
    """
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            value = merge(below[key], value)
        merged[key] = value
    return merged


def count_batches(conf: dict, num_utts: int, wanted_for: str) -> int:
    """Count the batches of an epoch, as ESPnet's batch samplers do.

    Args:
        conf: configuration with ``batch_type`` and ``batch_size``, or with
            ``num_iters_per_epoch``.
        num_utts: training utterances.
        wanted_for: what the error is about.

    Raises:
        ValueError: the batches are not counted in utterances, or a key is missing.
    """
    if conf.get("num_iters_per_epoch") is not None:
        return conf["num_iters_per_epoch"]
    batch_type = conf.get("batch_type", "folded")
    if batch_type not in COUNTABLE or "batch_size" not in conf:
        raise ValueError(
            f"{wanted_for} needs batch_type sorted or unsorted and a batch_size, got "
            f"{batch_type} and {conf.get('batch_size')}. Write num_iters_per_epoch, "
            "the batches of an epoch, instead."
        )
    return max(num_utts // conf["batch_size"], 1)


def count_steps(
    conf: dict, num_utts: int, wanted_for: str = "max_steps: auto", by: int = 1
) -> int:
    """Count the batches of a training, or its steps of several batches each.

    Args:
        conf: as in :func:`count_batches`, and ``max_epoch``.
        num_utts: training utterances.
        wanted_for: what the error is about.
        by: batches a step; what is left of an epoch is dropped, as ESPnet does.

    Raises:
        ValueError: the batches cannot be counted, or ``max_epoch`` is missing.
    """
    if "max_epoch" not in conf:
        raise ValueError(f"{wanted_for} needs max_epoch in the configuration.")
    return conf["max_epoch"] * (count_batches(conf, num_utts, wanted_for) // by)


def fill_schedules(conf: dict, meant: dict, num_utts: int) -> None:
    """Put in the ``steps`` of each weight schedule that leaves them open.

    Args:
        conf: the configuration; changed in place.
        meant: what it means under further arguments, as in :func:`count_steps`.
        num_utts: training utterances.

    Raises:
        ValueError: as in :func:`count_steps`.

    Example:
        >>> terms = {"skd": {"schedule": {"kind": "cosine"}}, "rkd": None}
        >>> conf = {"max_epoch": 3, "num_iters_per_epoch": 4}
        >>> conf["distill_conf"] = {"terms": terms}
        >>> fill_schedules(conf, conf, 9)
        >>> terms["skd"]
        {'schedule': {'kind': 'cosine', 'steps': 12}}
    """
    terms = (conf.get("distill_conf") or {}).get("terms") or {}
    for name, term in terms.items():
        schedule = (term or {}).get("schedule")
        if isinstance(schedule, dict) and schedule.get("steps", "auto") == "auto":
            wanted_for = f"distill_conf: terms: {name}: schedule: steps: auto"
            schedule["steps"] = count_steps(meant, num_utts, wanted_for)


def fill_frontend(frontend_conf: dict, fs: int) -> dict:
    """Replace ``fs: auto`` and durations like ``10ms`` by numbers.

    Raises:
        ValueError: a duration that is no whole number of samples.

    Example:
        >>> fill_frontend({"fs": "auto", "hop_length": "10ms", "n_mels": 40}, 8000)
        {'fs': 8000, 'hop_length': 80, 'n_mels': 40}
    """
    filled = {}
    for key, value in frontend_conf.items():
        if key == "fs" and value == "auto":
            value = fs
        elif isinstance(value, str) and value.endswith("ms"):
            samples = float(value[:-2]) * fs / 1000
            if samples != int(samples):
                raise ValueError(
                    f"frontend_conf: {key}: {value} is {samples} samples at {fs} Hz, "
                    "expected a whole number. Choose another duration."
                )
            value = int(samples)
        filled[key] = value
    return filled


def limit_average(conf: dict, total_epochs: int) -> None:
    """Let ESPnet average the best epochs of a quarter of all at most.

    Parameters averaged over most of a short training reach back to its start, and such
    a mean recognises far worse than the last epoch. ESPnet averages none where there
    are fewer epochs than asked for: methods of one stage and of two would differ.

    Args:
        conf: configuration; its ``keep_nbest_models`` is changed in place.
        total_epochs: of all stages.

    Example:
        >>> conf = {"keep_nbest_models": 5}
        >>> limit_average(conf, 20), conf
        (None, {'keep_nbest_models': 5})
        >>> limit_average(conf, 5), conf
        (None, {'keep_nbest_models': 1})
    """
    most = max(total_epochs // 4, 1)
    nbest = conf.get("keep_nbest_models", NBEST)
    if isinstance(nbest, int):
        conf["keep_nbest_models"] = min(nbest, most)
    else:
        conf["keep_nbest_models"] = list(dict.fromkeys(min(n, most) for n in nbest))


def check_batch(conf: dict, processes: int) -> None:
    """Refuse batches that the processes of a training cannot share evenly.

    Args:
        conf: configuration; batches that are not counted in utterances pass.
        processes: of the training, on all machines.

    Raises:
        ValueError: ``batch_size`` is no multiple of ``processes``.
    """
    if conf.get("batch_type", "folded") not in COUNTABLE or "batch_size" not in conf:
        return
    if conf["batch_size"] % processes:
        raise ValueError(
            f"batch_size: {conf['batch_size']} utterances cannot be shared evenly by "
            f"{processes} processes (--ngpu times --num_nodes). Choose a multiple of "
            f"{processes} in the configuration, or other numbers of GPUs and machines."
        )


def count_lines(path: Path) -> int:
    """Count the lines of a file: a line an utterance."""
    return len(path.read_text(encoding="utf-8").splitlines())


def apply_arguments(conf: dict, words: Sequence[str]) -> dict:
    """Return what a configuration means under further arguments of a training.

    Args:
        conf: the configuration.
        words: ``--name value`` or ``--name_conf key=value``, as ESPnet takes them.

    Example:
        >>> conf = {"batch_size": 8, "optim_conf": {"lr": 1.0}}
        >>> apply_arguments(conf, "--batch_size 4 --optim_conf lr=0.5".split())
        {'batch_size': 4, 'optim_conf': {'lr': 0.5}}
    """
    above: Dict[str, Any] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, word = word[2:].partition("=")
            if not word:
                continue
        key, equals, value = word.partition("=")
        if equals and name.endswith("_conf"):
            inner: Any = yaml.safe_load(value)
            for part in reversed(key.split(".")):
                inner = {part: inner}
            above = merge(above, {name: inner})
        elif name:
            above[name] = yaml.safe_load(word)
    return merge(conf, above)


@dataclass(frozen=True)
class Budget:
    """What a training is given.

    Attributes:
        max_epoch: epochs of this stage.
        total_epochs: of all stages.
        train_text: a line per utterance to train on.
        epoch_text: an epoch lasts as many batches as one of these utterances would.
        processes: of the training, on all machines.
        arguments: further ones of its command line, which count as the files do.
    """

    max_epoch: Optional[int]
    total_epochs: Optional[int]
    train_text: Path
    epoch_text: Optional[Path] = None
    processes: int = 1
    arguments: Sequence[str] = ()


def make_config(inputs: Sequence[Path], fs: int, budget: Budget) -> Dict[str, Any]:
    """Lay files over each other, the last on top, and fill their gaps.

    Args:
        inputs: yaml files.
        fs: sampling rate in Hz.
        budget: epochs and utterances.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no mapping, or a gap cannot be filled.
    """
    conf: Dict[str, Any] = {}
    for path in inputs:
        conf = merge(conf, read_yaml(Path(path)))
    if budget.max_epoch is not None:
        conf["max_epoch"] = budget.max_epoch
    if budget.total_epochs is not None:
        limit_average(conf, budget.total_epochs)
    if "frontend_conf" in conf:
        conf["frontend_conf"] = fill_frontend(conf["frontend_conf"], fs)
    meant = apply_arguments(conf, budget.arguments)
    check_batch(meant, budget.processes)
    if budget.epoch_text is not None:
        num_utts = count_lines(budget.epoch_text)
        batches = count_batches(meant, num_utts, f"the epochs of {budget.epoch_text}")
        conf["num_iters_per_epoch"] = meant["num_iters_per_epoch"] = batches
    num_utts = count_lines(budget.train_text)
    scheduler_conf = conf.get("scheduler_conf") or {}
    if scheduler_conf.get("max_steps") == "auto":
        by = meant.get("accum_grad", 1)
        scheduler_conf["max_steps"] = count_steps(meant, num_utts, by=by)
    fill_schedules(conf, meant, num_utts)
    return conf


def write_config(path: Path, inputs: Sequence[Path], conf: Dict[str, Any]) -> None:
    """Write a configuration; its first line names the files that it was made of."""
    with atomic_write(path) as f:
        print(f"# {' + '.join(str(each) for each in inputs)}", file=f)
        yaml.safe_dump(conf, f, sort_keys=False)
