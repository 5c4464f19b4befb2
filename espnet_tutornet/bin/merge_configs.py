"""Lay yaml files over each other: a student's config, then a method's."""

import argparse
from pathlib import Path

import yaml

from espnet_tutornet.bin.command import exit_on_error
from espnet_tutornet.recipe.files import atomic_write


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


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--inputs", type=Path, nargs="+", required=True, help="The last lies on top"
    )
    parser.add_argument("--out", type=Path, required=True)
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Merge yaml files into one."""
    args = get_parser().parse_args(cmd)
    merged: dict = {}
    for path in args.inputs:
        conf = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(conf, dict):
            raise ValueError(f"{path}: expected a yaml mapping, got {type(conf)}.")
        merged = merge(merged, conf)
    with atomic_write(args.out) as f:
        print(f"# {' + '.join(str(path) for path in args.inputs)}", file=f)
        yaml.safe_dump(merged, f, sort_keys=False)


if __name__ == "__main__":
    main()
