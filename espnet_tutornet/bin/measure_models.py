r"""Measure what models cost: parameters, MACs, bytes, time on one CPU thread.

    python -m espnet_tutornet.bin.measure_models --models DIR=CONFIG=MODEL \
        --wav_scp data/test/wav.scp
    python -m espnet_tutornet.bin.measure_models --configs conf/tuning/*.yaml

``--models`` are trained: each DIR gets a measure.json. ``--configs`` are not: a table
tells what they would cost at full size.
"""

import argparse
import sys
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from espnet_tutornet.student.measuring import (
    HEADER,
    Measuring,
    names_encoder,
    size_row,
)
from espnet_tutornet.student.untrained import SPECIAL
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--models",
        nargs="+",
        metavar="DIR=CONFIG=MODEL",
        help="Trained models; DIR gets measure.json",
    )
    what.add_argument(
        "--configs", type=Path, nargs="+", help="Training configurations to tabulate"
    )
    group = parser.add_argument_group("with --models")
    group.add_argument("--wav_scp", type=Path, help="Audio to time on")
    group.add_argument(
        "--expdir", type=Path, help="Of runs, of which one may be of the same network"
    )
    group = parser.add_argument_group("with --configs")
    group.add_argument(
        "--vocab_size", type=int, default=5000, help="Tokens, special ones included"
    )
    group.add_argument("--fs", type=int, default=16000, help="Sampling rate in Hz")
    group.add_argument("--out", type=Path, help="Also write the table there")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write ``measure.json`` for each model, or print the table of configurations."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.models:
        if args.wav_scp is None:
            parser.error("--models needs --wav_scp, audio to time on")
        measuring = Measuring(args.wav_scp, args.expdir)
        for triple in tqdm(args.models, desc="measuring", unit="model", disable=None):
            measuring.measure(*triple.split("="))
        return
    if args.vocab_size < len(SPECIAL):
        raise ValueError(
            f"--vocab_size must be at least {len(SPECIAL)}, the special tokens, got "
            f"{args.vocab_size}."
        )
    rows = []
    for path in tqdm(args.configs, desc="building", unit="model", disable=None):
        if names_encoder(path):
            rows.append(size_row(path, args.vocab_size, args.fs))
        else:
            print(f"{path}: left out, it names no encoder", file=sys.stderr)
    table = tabulate(rows, HEADER, tablefmt="github", disable_numparse=True)
    if args.out is not None:
        with atomic_write(args.out) as f:
            print(table, file=f)
    print(table)


if __name__ == "__main__":
    main()
