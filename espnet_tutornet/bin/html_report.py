"""Write a report of all runs as one HTML page with its pictures."""

import argparse
from pathlib import Path

from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.extras import needs_extra


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description="Write <out>/report.html, one file that needs no network, and its "
        "pictures as <out>/pictures/*.{svg,png}. Runs are those of "
        "<expdir>/*/run.yaml; what is missing leaves its section out.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--expdir", type=Path, nargs="+", default=[Path("exp")])
    parser.add_argument(
        "--datadir", type=Path, default=Path("data"), help="with <set>/{wav.scp,text}"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("exp/report"), help="replaced as a whole"
    )
    parser.add_argument("--title", default="Distillation report")
    parser.add_argument("--inference", help="of decode_<inference>; default: most used")
    parser.add_argument("--students", nargs="+", help="to draw; default: the first 3")
    parser.add_argument(
        "--test_sets", nargs="+", help="to draw; default: the first 4 of students"
    )
    parser.add_argument(
        "--speech_set", help="to listen to; default: a dev set, else the first test set"
    )
    parser.add_argument(
        "--utterances", nargs="+", default=["3"], help="ids to show, or how many"
    )
    parser.add_argument(
        "--spike_utterances", type=int, default=100, help="to take spikes from"
    )
    parser.add_argument("--top", type=int, default=10, help="confusions to show")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write the page and its pictures."""
    args = get_parser().parse_args(cmd)
    with needs_extra("report", "the report"):
        from espnet_tutornet.report.build import PAGE, write_report
    size = write_report(args)
    print(f"Wrote {args.out / PAGE} ({size:.1f} MB).")


if __name__ == "__main__":
    main()
