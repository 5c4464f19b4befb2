"""Add copies of a data directory at other speeds."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_tutornet.data.data_dir import (
    check_replaceable,
    read_data_dir,
    write_data_dir,
)
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
    out_dir = Path(args.out_dir)
    if out_dir.resolve() == Path(args.data_dir).resolve():
        raise ValueError(f"{out_dir}: out_dir must differ from data_dir.")
    check_replaceable(out_dir, "wav.scp")
    utterances = read_data_dir(args.data_dir, needs_text=not args.unlabelled)
    audio_dir = out_dir.with_name(f"{out_dir.name}_audio")
    perturbed = perturb_speed(utterances, factors, audio_dir, args.nj)
    write_data_dir(out_dir, perturbed, needs_text=not args.unlabelled)
    print(f"{out_dir}: {len(perturbed)} utterances at speeds {' '.join(factors)}")


if __name__ == "__main__":
    main()
