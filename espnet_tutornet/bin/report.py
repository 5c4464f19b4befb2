"""Write the tables of all scored runs, or a page that shows them.

python -m espnet_tutornet.bin.report --expdir exp
python -m espnet_tutornet.bin.report --expdir exp --page exp/report
"""

import argparse
import sys
from pathlib import Path

from espnet_tutornet.experiment.results import read_runs
from espnet_tutornet.experiment.tables import format_scores, format_summary, write_csv
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.environment import format_environment
from espnet_tutornet.utils.extras import needs_extra
from espnet_tutornet.utils.files import atomic_write

TABLES, CSV = "RESULTS.md", "scores.csv"


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description="Gather <expdir>/<run>/{run.yaml,measure.json,decode_*/*/score."
        "json} into <expdir>/{RESULTS.md,scores.csv}, and print the summary. "
        "With --page write <page>/report.html instead, one file that needs no network, "
        "and its pictures as <page>/pictures/*.{svg,png}; what is missing leaves its "
        "section out.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--expdir", type=Path, nargs="+", default=[Path("exp")], help="one for tables"
    )
    parser.add_argument("--title", help="default: RESULTS, or Distillation report")
    group = parser.add_argument_group("page")
    group.add_argument("--page", type=Path, help="directory, replaced as a whole")
    group.add_argument(
        "--datadir", type=Path, default=Path("data"), help="with <set>/{wav.scp,text}"
    )
    group.add_argument("--inference", help="of decode_<inference>; default: most used")
    group.add_argument("--students", nargs="+", help="to draw; default: the first 3")
    group.add_argument(
        "--test_sets", nargs="+", help="to draw; default: the first 4 of students"
    )
    group.add_argument(
        "--speech_set", help="to listen to; default: a dev set, else the first test set"
    )
    group.add_argument(
        "--utterances", nargs="+", default=["3"], help="ids to show, or how many"
    )
    group.add_argument(
        "--spike_utterances", type=int, default=100, help="to take spikes from"
    )
    group.add_argument("--top", type=int, default=10, help="confusions to show")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write the tables and print the summary, or the page; notes go to stderr."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.page is not None:
        args.title = args.title or "Distillation report"
        with needs_extra("report", "the report"):
            from espnet_tutornet.report.build import PAGE, write_report
        size = write_report(args)
        print(f"Wrote {args.page / PAGE} ({size:.1f} MB).")
        return
    if len(args.expdir) > 1:
        parser.error("tables are of one --expdir; a page (--page) can show several")
    (expdir,) = args.expdir
    runs, notes = read_runs(expdir)
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)
    parts = [f"# {args.title or 'RESULTS'}\n", format_environment()]
    parts += [format_summary(runs, "github"), format_scores(runs)]
    with atomic_write(expdir / TABLES) as f:
        f.write("\n".join(parts))
    with atomic_write(expdir / CSV) as f:
        write_csv(runs, f)
    print(format_summary(runs, "simple"))
    print(f"Wrote {expdir / TABLES} and {expdir / CSV}.")


if __name__ == "__main__":
    main()
