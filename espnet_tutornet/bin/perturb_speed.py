"""Add copies of a data directory at other speeds."""

import argparse
from functools import partial
from typing import Optional, Sequence

from espnet_tutornet.data.derive import derive_data_dir
from espnet_tutornet.data.perturb import parse_factors, perturb_speed
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write a data directory with the utterances at each speed. New "
        "audio goes to <out_dir>_audio; what is there from an earlier run is kept.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data_dir", required=True, help="Data directory to read")
    parser.add_argument("--out_dir", required=True, help="Data directory to write")
    parser.add_argument("--factors", default="0.9 1.0 1.1", help="Speeds, one string")
    parser.add_argument("--nj", type=int, default=1, help="Number of threads")
    parser.add_argument(
        "--unlabelled", action="store_true", help="Transcripts may be missing"
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Perturb one data directory."""
    args = get_parser().parse_args(cmd)
    factors = parse_factors(args.factors)
    change = partial(perturb_speed, factors=factors, nj=args.nj)
    derived = derive_data_dir(args.data_dir, args.out_dir, change, not args.unlabelled)
    print(f"{args.out_dir}: {len(derived)} utterances at speeds {' '.join(factors)}")


if __name__ == "__main__":
    main()
