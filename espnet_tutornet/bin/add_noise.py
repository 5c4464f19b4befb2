"""Make a copy of a data directory with noise."""

import argparse
from functools import partial
from typing import Optional, Sequence

from espnet_tutornet.data.derive import derive_data_dir
from espnet_tutornet.data.noise import add_noise_to, parse_range
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write a data directory of the same utterances with pink noise. "
        "New audio goes to <out_dir>_audio; what is there from an earlier run is kept.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data_dir", required=True, help="Data directory to read")
    parser.add_argument("--out_dir", required=True, help="Data directory to write")
    parser.add_argument(
        "--noise_db",
        default="0 10",
        help="Least and most signal-to-noise ratio in dB, drawn for each utterance, "
        "one string",
    )
    parser.add_argument("--nj", type=int, default=1, help="Number of threads")
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Add noise to one data directory."""
    args = get_parser().parse_args(cmd)
    change = partial(add_noise_to, range_db=parse_range(args.noise_db), nj=args.nj)
    derived = derive_data_dir(args.data_dir, args.out_dir, change)
    print(f"{args.out_dir}: {len(derived)} utterances with noise at {args.noise_db} dB")


if __name__ == "__main__":
    main()
