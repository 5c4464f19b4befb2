"""Derive a data directory from another: with noise, or at other speeds."""

import argparse
from functools import partial
from typing import Optional, Sequence

from espnet_tutornet.data.derive import derive_data_dir
from espnet_tutornet.data.noise import add_noise_to, parse_range
from espnet_tutornet.data.perturb import parse_factors, perturb_speed
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write a data directory of the same utterances with pink noise, or "
        "of the utterances at each speed. New audio goes to <out_dir>_audio; what is "
        "there from an earlier run is kept.",
    )
    parser.add_argument("--data_dir", required=True, help="Data directory to read")
    parser.add_argument("--out_dir", required=True, help="Data directory to write")
    change = parser.add_mutually_exclusive_group(required=True)
    change.add_argument(
        "--noise_db",
        help="Least and most signal-to-noise ratio in dB, drawn for each utterance, "
        'one string, such as "0 10"',
    )
    change.add_argument(
        "--speed_factors", help='Speeds, one string, such as "0.9 1.0 1.1"'
    )
    parser.add_argument(
        "--unlabelled", action="store_true", help="Transcripts may be missing"
    )
    parser.add_argument(
        "--nj", type=int, default=1, help="Number of threads (default: 1)"
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Derive one data directory."""
    args = get_parser().parse_args(cmd)
    if args.noise_db is not None:
        change = partial(add_noise_to, range_db=parse_range(args.noise_db))
        what = f"with noise at {args.noise_db} dB"
    else:
        factors = parse_factors(args.speed_factors)
        change = partial(perturb_speed, factors=factors)
        what = f"at speeds {' '.join(factors)}"
    change = partial(change, nj=args.nj)
    derived = derive_data_dir(args.data_dir, args.out_dir, change, not args.unlabelled)
    print(f"{args.out_dir}: {len(derived)} utterances {what}")


if __name__ == "__main__":
    main()
