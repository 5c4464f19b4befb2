"""The tables of a comparison: results.csv and errors.csv of its trials and teachers."""

from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from espnet_tutornet.compare.grid import Setting
from espnet_tutornet.compare.outcomes import (
    Outcome,
    describe_outcome,
    find_errors,
    find_teacher,
    recorded_teacher,
)
from espnet_tutornet.compare.records import (
    ERRORS,
    RESULTS,
    ErrorTable,
    Records,
    write_errors,
    write_results,
)


def write_tables(
    out: Path,
    outcomes: Sequence[Outcome],
    teachers: Mapping[Setting, str],
    records: Records,
) -> None:
    """Write a row a trial and teacher, and the errors of all that are not a search's.

    Args:
        out: directory of the comparison.
        outcomes: of the trials, what is done with its sizes and scores.
        teachers: hash of the teacher of each setting; "" where it is not known.
        records: of an earlier comparison.
    """
    outcomes = [*outcomes, *_find_teachers(out, outcomes, records)]
    rows = [
        {"teacher": teachers[outcome.trial.setting], **describe_outcome(outcome)}
        for outcome in outcomes
    ]
    write_results(out / RESULTS, rows)
    errors: ErrorTable = {}
    for outcome in outcomes:
        if outcome.role != "search":
            if outcome.recorded:
                found = records.errors_of(outcome.recorded["run"])
                errors |= {(outcome.directory, name): e for name, e in found.items()}
            else:
                errors |= find_errors(out, outcome)
    write_errors(out / ERRORS, errors)


def _find_teachers(
    out: Path, outcomes: Sequence[Outcome], records: Records
) -> List[Outcome]:
    """Find the teachers of settings that have a run, those recorded, too."""
    found: Dict[Setting, List[Outcome]] = {}
    for outcome in outcomes:
        setting = outcome.trial.setting
        if setting not in found and (outcome.run or outcome.recorded):
            found[setting] = find_teacher(out, setting, outcome.inference)
            theirs = (outcome.recorded or {}).get("setting", setting.name)
            found[setting] = found[setting] or [
                recorded_teacher(setting, row) for row in records.find_teachers(theirs)
            ]
    return [teacher for teachers in found.values() for teacher in teachers]
