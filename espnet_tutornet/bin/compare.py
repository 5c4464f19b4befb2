"""Run a comparison: a grid of students, methods, seeds and options of run.sh.

Runs what is missing and no more, goes on where it was stopped, and writes
``results.csv`` (a row a run), ``errors.csv`` (the errors of every utterance) and
``SUMMARY.md`` after every experiment. A run that
fails is recorded with the last lines of its log; the others go on, and the next
comparison tries it again. The grid: see ``espnet_tutornet.compare.grid``.
"""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

from espnet_tutornet.compare.comparison import Comparison
from espnet_tutornet.compare.grid import read_grid
from espnet_tutornet.compare.records import read_records
from espnet_tutornet.compare.summary import TEACHER
from espnet_tutornet.experiment.stages import DATA_SH
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.lock import hold

HELD = ("another comparison", ", or give another --out_dir")


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--grid", type=Path, required=True, help="The yaml")
    parser.add_argument("--out_dir", type=Path, help="Default: compare/<grid>")
    parser.add_argument(
        "--recipe", type=Path, default=Path("."), help="Directory that holds run.sh"
    )
    parser.add_argument("--nj", type=int, default=2, help="Trainings side by side")
    parser.add_argument(
        "--options",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="Options of run.sh, in place of the grid's; relative paths in them start "
        "from its directory",
    )
    parser.add_argument(
        "--baseline",
        default="none",
        metavar="METHOD",
        help="What SUMMARY.md compares the other methods with; or teacher",
    )
    parser.add_argument(
        "--records",
        type=Path,
        metavar="DIR",
        help="results.csv and errors.csv of an earlier comparison: what is done there "
        "with the same inputs is not run again",
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="Say what would run, and run nothing"
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Run what is missing, and print the summary."""
    args = get_parser().parse_args(cmd)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends its jobs, too
    if not (args.recipe / DATA_SH).is_file():
        raise FileNotFoundError(
            f"{args.recipe / DATA_SH}: no such file. Give the directory of a recipe: "
            "--recipe."
        )
    wrong = [word for word in args.options if "=" not in word]
    if wrong or args.nj < 1:
        raise ValueError(
            "expected --options NAME=VALUE ... and --nj of 1 or more, got "
            f"{' '.join(wrong) or 'none'} and {args.nj}."
        )
    given = dict(word.split("=", 1) for word in args.options)
    settings = read_grid(args.grid, given)
    methods = list(dict.fromkeys(m for s in settings for m in s.methods))
    if args.baseline not in (*methods, "none", TEACHER):
        raise ValueError(
            "--baseline must be teacher or a method of the grid, "
            f"{', '.join(methods)}, got {args.baseline}."
        )
    out = (args.out_dir or Path("compare", args.grid.stem)).resolve()
    records = read_records(args.records) if args.records else None
    with contextlib.chdir(args.recipe), hold(out, *HELD):
        comparison = Comparison(settings, out, args.nj, args.baseline, records)
        if args.dry_run:
            for trial, outcome in comparison.outcomes.items():
                print(f"{outcome.status:8} {outcome.role:7} {trial.directory}")
            return
        comparison.run()
        print(comparison.write())
        print(f"Wrote {out}/results.csv, errors.csv and SUMMARY.md.")


if __name__ == "__main__":
    main()
