"""Write the tables of all scored runs: RESULTS.md and results.csv."""

import argparse
import sys
from pathlib import Path

from espnet_tutornet.experiment.results import read_runs
from espnet_tutornet.experiment.tables import format_scores, format_summary, write_csv
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.environment import format_environment
from espnet_tutornet.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description="Gather <expdir>/<run>/{run.yaml,measure.json,decode_*/*/score."
        "json} into a Markdown page and a CSV file, and print the summary.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--expdir", type=Path, default=Path("exp"))
    parser.add_argument("--out", type=Path, default=Path("RESULTS.md"))
    parser.add_argument("--csv", type=Path, default=Path("results.csv"))
    parser.add_argument("--title", default="RESULTS")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write both files and print the summary; notes go to stderr."""
    args = get_parser().parse_args(cmd)
    runs, notes = read_runs(args.expdir)
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)
    parts = [f"# {args.title}\n", format_environment()]
    parts += [format_summary(runs, "github"), format_scores(runs)]
    with atomic_write(args.out) as f:
        f.write("\n".join(parts))
    with atomic_write(args.csv) as f:
        write_csv(runs, f)
    print(format_summary(runs, "simple"))
    print(f"Wrote {args.out} and {args.csv}.")


if __name__ == "__main__":
    main()
