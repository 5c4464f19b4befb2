"""Stop when a model's WER is above a limit: is the teacher fit to teach?"""

import argparse
import json
from pathlib import Path

from espnet_tutornet.scoring.score import COLUMNS, percentages
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--score", type=Path, required=True, help="A score.json")
    parser.add_argument("--measure", type=Path, help="A measure.json, for the RTF")
    parser.add_argument("--wer_max", type=float, required=True, help="Percent")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Compare the WER of a ``score.json`` with a limit."""
    args = get_parser().parse_args(cmd)
    counts = json.loads(args.score.read_text(encoding="utf-8"))["wer"]
    wer = dict(zip(COLUMNS[2:], percentages(counts)))["Err"]
    said = f"{args.score.parent}: WER {wer:.1f} %, at most {args.wer_max:.1f} %"
    if args.measure is not None:
        rtf = json.loads(args.measure.read_text(encoding="utf-8"))["rtf"]
        said += f"; real-time factor {rtf:.4f}, greedy, on one CPU thread"
    print(said)
    if wer > args.wer_max:
        raise RuntimeError(
            f"WER of the teacher is {wer:.1f} %, expected at most {args.wer_max:.1f} % "
            f"({args.score}). Train it longer, bring another one (--teacher), "
            "or raise --teacher_wer_max."
        )


if __name__ == "__main__":
    main()
