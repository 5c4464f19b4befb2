"""Copy blocks of a teacher: what a student begins as, for ESPnet's --init_param."""

import argparse
from pathlib import Path

from espnet_tutornet.student.copy_start import check_start, write_start
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student_config", type=Path, required=True, help="Training")
    parser.add_argument("--teacher_config", type=Path, required=True)
    parser.add_argument(
        "--teacher_model", type=Path, help="Its .pth; without it fits are checked alone"
    )
    parser.add_argument("--token_list", type=Path, required=True, help="Student's")
    parser.add_argument("--fs", type=int, required=True, help="Sampling rate in Hz")
    parser.add_argument("--output", type=Path, help="The .pth to write")
    parser.add_argument("--overlay", type=Path, help="yaml with copy_layers")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write the parameters that a student begins with."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if (args.teacher_model is None) != (args.output is None):
        parser.error("--teacher_model and --output go together")
    files = (args.token_list, args.fs)
    if args.output is None:
        done = check_start(
            args.student_config, args.teacher_config, *files, args.overlay
        )
    else:
        teacher = args.teacher_config, args.teacher_model
        done = write_start(
            args.student_config, teacher, *files, args.output, args.overlay
        )
    print(done)


if __name__ == "__main__":
    main()
