"""Bring a teacher from the hub, an archive or a directory."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_tutornet.teacher.bring import bring_teacher
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--teacher", required=True, help="Tag, URL, packed .zip or .tar.gz, directory"
    )
    parser.add_argument("--out_dir", required=True, type=Path)
    parser.add_argument("--cache_dir", type=Path, help="Of downloads")
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write config.yaml and model.pth of the teacher."""
    args = get_parser().parse_args(cmd)
    config, model = bring_teacher(args.teacher, args.out_dir, args.cache_dir)
    print(f"{args.teacher}: {config}, {model} -> {model.resolve()}")


if __name__ == "__main__":
    main()
