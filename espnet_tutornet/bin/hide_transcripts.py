"""Keep the transcripts of some utterances: what few labels do can be tried out."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_tutornet.data.data_dir import read_data_dir, write_data_dir
from espnet_tutornet.data.transcripts import hide_transcripts
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Split a data directory into one with transcripts and one without. "
        "Those that keep theirs are spread evenly over the sorted ids, hence over the "
        "speakers."
    )
    parser.add_argument("--data_dir", required=True, type=Path)
    parser.add_argument("--num_labelled", required=True, type=int)
    parser.add_argument("--labelled_dir", required=True, help="To write")
    parser.add_argument("--unlabelled_dir", required=True, help="To write")
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Split one data directory."""
    args = get_parser().parse_args(cmd)
    labelled, hidden = hide_transcripts(read_data_dir(args.data_dir), args.num_labelled)
    write_data_dir(args.labelled_dir, labelled)
    write_data_dir(args.unlabelled_dir, hidden, needs_text=False)
    print(f"{args.labelled_dir}: {len(labelled)} utterances with transcripts")
    print(f"{args.unlabelled_dir}: {len(hidden)} utterances without")


if __name__ == "__main__":
    main()
