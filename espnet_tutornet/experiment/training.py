"""The configuration of one training: files laid over each other, gaps filled."""

from pathlib import Path

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


def fill_schedules(conf: dict, num_utts: int) -> None:
    """Put in the ``steps`` of each weight schedule that leaves them open.

    Args:
        conf: as in :func:`count_steps`; changed in place.
        num_utts: training utterances.

    Raises:
        ValueError: as in :func:`count_steps`.

    Example:
        >>> terms = {"skd": {"schedule": {"kind": "cosine"}}, "rkd": None}
        >>> conf = {"max_epoch": 3, "num_iters_per_epoch": 4}
        >>> conf["distill_conf"] = {"terms": terms}
        >>> fill_schedules(conf, 9)
        >>> terms["skd"]
        {'schedule': {'kind': 'cosine', 'steps': 12}}
    """
    terms = (conf.get("distill_conf") or {}).get("terms") or {}
    for name, term in terms.items():
        schedule = (term or {}).get("schedule")
        if isinstance(schedule, dict) and schedule.get("steps", "auto") == "auto":
            wanted_for = f"distill_conf: terms: {name}: schedule: steps: auto"
            schedule["steps"] = count_steps(conf, num_utts, wanted_for)


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
