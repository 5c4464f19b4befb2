"""Make the configuration of one training: files laid over each other, gaps filled.

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

import argparse
from pathlib import Path

import yaml

from espnet_tutornet.experiment.training import (
    check_batch,
    count_batches,
    count_lines,
    count_steps,
    fill_frontend,
    fill_schedules,
    limit_average,
    merge,
)
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--inputs", type=Path, nargs="+", required=True, help="The last lies on top"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max_epoch", type=int, help="Overrides that of the files")
    parser.add_argument(
        "--total_epochs", type=int, help="Of all stages: limits keep_nbest_models"
    )
    parser.add_argument(
        "--processes", type=int, default=1, help="Of the training, on all machines"
    )
    parser.add_argument("--fs", type=int, required=True, help="Sampling rate in Hz")
    parser.add_argument(
        "--train_text", type=Path, required=True, help="A line an utterance"
    )
    parser.add_argument(
        "--epoch_text",
        type=Path,
        help="An epoch lasts as many batches as one of these utterances would",
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
    check_batch(merged, args.processes)
    if args.max_epoch is not None:
        merged["max_epoch"] = args.max_epoch
    if args.total_epochs is not None:
        limit_average(merged, args.total_epochs)
    if "frontend_conf" in merged:
        merged["frontend_conf"] = fill_frontend(merged["frontend_conf"], args.fs)
    if args.epoch_text is not None:
        num_utts = count_lines(args.epoch_text)
        batches = count_batches(merged, num_utts, f"--epoch_text {args.epoch_text}")
        merged["num_iters_per_epoch"] = batches
    num_utts = count_lines(args.train_text)
    scheduler_conf = merged.get("scheduler_conf", {})
    if scheduler_conf.get("max_steps") == "auto":
        by = merged.get("accum_grad", 1)
        scheduler_conf["max_steps"] = count_steps(merged, num_utts, by=by)
    fill_schedules(merged, num_utts)
    with atomic_write(args.out) as f:
        print(f"# {' + '.join(str(path) for path in args.inputs)}", file=f)
        yaml.safe_dump(merged, f, sort_keys=False)


if __name__ == "__main__":
    main()
