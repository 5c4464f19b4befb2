"""Bring a teacher from the hub, an archive or a directory."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

from espnet_tutornet.teacher.bring import bring_files, bring_teacher
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", help="Tag, URL, packed .zip, .tar.gz, directory")
    parser.add_argument("--teacher_model", default="", help="Of its .pth, this")
    parser.add_argument("--asr_train_config", type=Path, help="Or: config.yaml")
    parser.add_argument("--asr_model_file", type=Path, help="and .pth")
    parser.add_argument("--teacher_fs", type=int, help="Its sampling rate in Hz")
    parser.add_argument("--teacher_lang", help="What OWSM-CTC is told, such as eng")
    parser.add_argument("--teacher_task", help="What OWSM-CTC is told, such as asr")
    parser.add_argument("--out_dir", required=True, type=Path)
    parser.add_argument("--cache_dir", type=Path, help="Of downloads")
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write config.yaml and model.pth of the teacher."""
    args = get_parser().parse_args(cmd)
    added = dict(fs=args.teacher_fs, lang=args.teacher_lang, task=args.teacher_task)
    if args.teacher:
        where = (args.teacher, args.out_dir, args.cache_dir, args.teacher_model)
        config, model = bring_teacher(*where, added)
    else:
        pair = (args.asr_train_config, args.asr_model_file)
        if args.teacher_model or None in pair:
            raise ValueError(
                "expected --teacher, with --teacher_model where it is a training, or "
                "--asr_train_config and --asr_model_file. Give one of both ways."
            )
        config, model = bring_files(*pair, args.out_dir, added=added)
    print(f"{args.teacher or pair[0]}: {config}, {model} -> {model.resolve()}")


if __name__ == "__main__":
    main()
