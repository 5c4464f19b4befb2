"""Compare the same students and methods between two settings of a comparison.

    python benchmarks/between_settings.py RECORDS OURS THEIRS

RECORDS is a directory with results.csv and errors.csv; OURS and THEIRS are settings of
it, such as within_topology+mask_padding_all. A row for each student, method and set:
mean WER of both, and the change with the 95 % interval and the p-value of the paired
bootstrap over utterances, seeds matched, corrected (Holm) over the rows of a set.
"""

import argparse
from pathlib import Path
from statistics import mean

from tabulate import tabulate

from espnet_tutornet.compare.records import Records, read_records, scored_sets
from espnet_tutornet.experiment.methods import name_method
from espnet_tutornet.scoring.significance import compare_seeds, correct_p_values


def runs_of(records: Records, setting: str) -> dict:
    """Return (student, method) -> seed -> row of the compared runs of a setting."""
    found: dict = {}
    for row in records.rows:
        if (row["setting"], row["role"], row["status"]) == (setting, "final", "done"):
            runs = found.setdefault((row["student"], row["method"]), {})
            runs[int(row["seed"])] = row
    if not found:
        known = sorted({row["setting"] for row in records.rows})
        raise ValueError(f"no run of {setting!r} is done. Settings: {known}.")
    return found


def errors_of(records: Records, runs: dict, name: str) -> dict:
    """Return seed -> errors of each utterance of a set, of the seeds that have them."""
    found = {s: records.errors.get((row["run"], name)) for s, row in runs.items()}
    return {seed: errors for seed, errors in found.items() if errors}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("ours")
    parser.add_argument("theirs")
    options = parser.parse_args()
    records = read_records(options.records)
    ours, theirs = (runs_of(records, s) for s in (options.ours, options.theirs))
    both = [key for key in ours if key in theirs]
    sets = sorted(
        {s for runs in ours.values() for r in runs.values() for s in scored_sets(r)}
    )
    rows = []
    for name in sets:
        found = []
        for key in both:
            pair = ours[key], theirs[key]
            errors = [errors_of(records, runs, name) for runs in pair]
            means = [
                mean(float(r[f"wer_{name}"]) for r in runs.values()) for runs in pair
            ]
            change = compare_seeds(*errors)
            if change is not None:
                found.append((key, means, change))
        corrected = correct_p_values([change.p_value for *_, change in found])
        for ((student, method), means, change), p_value in zip(found, corrected):
            interval = f"{change.rate:+.2f} ({change.low:+.2f} to {change.high:+.2f})"
            cells = [f"{value:.2f}" for value in means]
            rows.append([name, student, name_method(method), change.seeds, *cells])
            rows[-1] += [interval, f"{p_value:.3f}"]
    header = ["Set", "Student", "Method", "Seeds", options.ours, options.theirs]
    header += ["Change", "p"]
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
