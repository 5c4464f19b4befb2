"""Tabulate what configurations cost at full size, without training them.

    python -m espnet_tutornet.bin.size_table --configs conf/tuning/*.yaml \
        --vocab_size 5000 --fs 16000 --out table.md

Each model is built with random parameters and run on the CPU. Sizes are those of the
.pth it would be saved to, in float32 and with its linear layers in int8 as by ESPnet's
``--quantize_asr_model true``.
"""

import argparse
import sys
from pathlib import Path
from typing import List

import torch
from tabulate import tabulate
from tqdm import tqdm

from espnet_tutornet.experiment.card import format_count
from espnet_tutornet.experiment.training import read_yaml
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.student.cost import macs_per_second, quantize_linear, saved_bytes
from espnet_tutornet.student.untrained import SPECIAL, build_untrained
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write

HEADER = ["Configuration", "Encoder", "Parameters", "MACs/s", "float32", "int8"]
HEADER += ["Frame shift"]


def names_encoder(path: Path) -> bool:
    """Tell a model's configuration from those that are laid over one.

    Raises:
        ValueError: the file is no yaml mapping.
    """
    return "encoder" in read_yaml(path)


def size_row(path: Path, vocab_size: int, fs: int) -> List[str]:
    """Return the row of ``HEADER`` for one configuration."""
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


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--vocab_size", type=int, default=5000, help="Tokens, special ones included"
    )
    parser.add_argument("--fs", type=int, default=16000, help="Sampling rate in Hz")
    parser.add_argument("--out", type=Path, help="Also write the table there")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Print the table, and write it to ``--out``."""
    args = get_parser().parse_args(cmd)
    if args.vocab_size < len(SPECIAL):
        raise ValueError(
            f"--vocab_size must be at least {len(SPECIAL)}, the special tokens, got "
            f"{args.vocab_size}."
        )
    torch.set_num_threads(1)
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
