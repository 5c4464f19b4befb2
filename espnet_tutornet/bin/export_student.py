"""Turn a trained student into a plain ESPnet model."""

import argparse
from pathlib import Path

from espnet_tutornet.student.export import export_student
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, required=True, help="A training")
    parser.add_argument(
        "--checkpoint", default="valid.loss_ctc.ave.pth", help="A .pth in it"
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write ``<expdir>/export``."""
    args = get_parser().parse_args(cmd)
    print(f"exported to {export_student(args.expdir, args.checkpoint)}")


if __name__ == "__main__":
    main()
