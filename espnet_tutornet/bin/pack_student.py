"""Pack an exported student with ``espnet2.bin.pack``, free of local paths.

With ``--inference_config`` its model card is written first, and packed along.
"""

import argparse
from pathlib import Path

from espnet_tutornet.student.packing import pack_student, write_card
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--expdir", type=Path, required=True, help="A training")
    parser.add_argument(
        "--inference_config",
        type=Path,
        help="decode_<name>.yaml that the scores of the card were made with",
    )
    parser.add_argument(
        "--sim_chunk_length",
        type=int,
        help="Samples at a time, where asr_inference_streaming made them",
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Pack one student."""
    args = get_parser().parse_args(cmd)
    if args.inference_config is not None:
        write_card(args.expdir, args.inference_config, args.sim_chunk_length)
    print(f"packed {pack_student(args.expdir)}")


if __name__ == "__main__":
    main()
