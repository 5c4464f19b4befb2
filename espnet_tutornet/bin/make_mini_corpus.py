#!/usr/bin/env python3
"""Make the mini corpus: synthetic speech in LibriSpeech's layout, without download."""

import argparse
import logging
from pathlib import Path

from espnet_tutornet.data.mini.corpus import make_mini_corpus
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        description="Make a small synthetic corpus in LibriSpeech's layout: "
        "train-clean, dev-clean, test-clean, test-other; 8 kHz FLAC. "
        "Needs pip install 'espnet_tutornet[mini]'.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--out_dir", type=Path, required=True, help="directory that gets the splits"
    )
    parser.add_argument(
        "--hours_scale",
        type=float,
        default=1.0,
        help="factor on the amount of speech; 1 is 37 minutes in all",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="chooses sentences and noise"
    )
    parser.add_argument("--nj", type=int, default=2, help="number of processes")
    return parser


@exit_on_error
def main(cmd=None):
    """Run the command.

    Args:
        cmd: arguments in place of those of the command line.
    """
    args = get_parser().parse_args(cmd)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    made = make_mini_corpus(args.out_dir, args.hours_scale, args.seed, args.nj)
    logging.info(
        "%s: %s", args.out_dir, f"made {', '.join(made)}" if made else "was complete"
    )


if __name__ == "__main__":
    main()
