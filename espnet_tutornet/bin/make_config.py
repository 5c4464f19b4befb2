"""Make the configuration of one training: files laid over each other, gaps filled.

What depends on the corpus is left open in the files and put in here:

- ``scheduler_conf: {max_steps: auto}``: the optimizer steps of the training, for
  batches of ``batch_size`` utterances. A scheduler that ends with it needs them.
- ``frontend_conf: {fs: auto, n_fft: 32ms, hop_length: 10ms}``: the sampling rate, and
  durations in samples.
"""

import argparse
from pathlib import Path

import yaml

from espnet_tutornet.bin.command import exit_on_error
from espnet_tutornet.recipe.files import atomic_write

COUNTABLE = ("sorted", "unsorted")


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


def count_steps(conf: dict, num_utts: int) -> int:
    """Count the optimizer steps of a training, as ESPnet's batch samplers do.

    Args:
        conf: configuration with ``max_epoch``, ``batch_type``, ``batch_size``.
        num_utts: training utterances.

    Raises:
        ValueError: the batches are not counted in utterances, or a key is missing.
    """
    batch_type = conf.get("batch_type", "folded")
    if batch_type not in COUNTABLE:
        raise ValueError(
            f"max_steps: auto needs batch_type sorted or unsorted, got {batch_type}. "
            "Write the number of steps instead."
        )
    missing = [key for key in ("max_epoch", "batch_size") if key not in conf]
    if missing:
        raise ValueError(f"max_steps: auto needs {missing} in the configuration.")
    batches = max(num_utts // conf["batch_size"], 1)
    return conf["max_epoch"] * (batches // conf.get("accum_grad", 1))


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


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--inputs", type=Path, nargs="+", required=True, help="The last lies on top"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max_epoch", type=int, help="Overrides that of the files")
    parser.add_argument("--fs", type=int, required=True, help="Sampling rate in Hz")
    parser.add_argument(
        "--train_text", type=Path, required=True, help="A line an utterance"
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write one configuration."""
    args = get_parser().parse_args(cmd)
    merged: dict = {}
    for path in args.inputs:
        conf = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(conf, dict):
            raise ValueError(
                f"{path}: expected a yaml mapping, got {type(conf).__name__}."
            )
        merged = merge(merged, conf)
    if args.max_epoch is not None:
        merged["max_epoch"] = args.max_epoch
    if "frontend_conf" in merged:
        merged["frontend_conf"] = fill_frontend(merged["frontend_conf"], args.fs)
    scheduler_conf = merged.get("scheduler_conf", {})
    if scheduler_conf.get("max_steps") == "auto":
        num_utts = len(args.train_text.read_text(encoding="utf-8").splitlines())
        scheduler_conf["max_steps"] = count_steps(merged, num_utts)
    with atomic_write(args.out) as f:
        print(f"# {' + '.join(str(path) for path in args.inputs)}", file=f)
        yaml.safe_dump(merged, f, sort_keys=False)


if __name__ == "__main__":
    main()
