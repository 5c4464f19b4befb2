"""Make a copy of a data directory with noise."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_tutornet.data.data_dir import (
    check_replaceable,
    read_data_dir,
    write_data_dir,
)
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
    range_db = parse_range(args.noise_db)
    out_dir = Path(args.out_dir)
    if out_dir.resolve() == Path(args.data_dir).resolve():
        raise ValueError(f"{out_dir}: out_dir must differ from data_dir.")
    check_replaceable(out_dir, "wav.scp")
    utterances = read_data_dir(args.data_dir)
    audio_dir = out_dir.with_name(f"{out_dir.name}_audio")
    write_data_dir(out_dir, add_noise_to(utterances, range_db, audio_dir, args.nj))
    print(f"{out_dir}: {len(utterances)} utterances with noise at {args.noise_db} dB")


if __name__ == "__main__":
    main()
