"""What a comparison leaves behind: ``results.csv`` and ``errors.csv``.

``results.csv`` has a row a run, ``errors.csv`` the errors of every run in every
utterance. The two are all that a summary needs, and enough to go on from where the
trained models are not: they are small, and can be published.
"""

import csv
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from espnet_tutornet.scoring.significance import Errors
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import need_file

RESULTS, ERRORS = "results.csv", "errors.csv"
COLUMNS = (
    *("study", "setting", "role", "student", "method", "learning_rate", "seed"),
    *("config", "teacher", "status", "total_epochs", "train_seconds", "parameters"),
    "rtf",
)
LAST_COLUMNS = ("inference", "run", "failure")
HASH_LENGTH = 10  # of the hashes in the columns config and teacher
ERROR_COLUMNS = ("set", "run", "errors")
UTTERANCES, WORDS = "utterances", "words"  # in the column run: of the rows below

Row = Dict[str, str]
ErrorTable = Dict[Tuple[str, str], Errors]  # by run and set


@dataclass(frozen=True)
class Records:
    """Runs of an earlier comparison, which need not be run again.

    Attributes:
        rows: of results.csv.
        errors: of errors.csv.
    """

    rows: Sequence[Row] = ()
    errors: ErrorTable = field(default_factory=dict)

    def find(
        self, method: str, config: str, seed: int, run: str, role: str
    ) -> Optional[Row]:
        """Return the row of a run that is done with the same inputs, of any study.

        Args:
            method: as ``run.sh --methods`` takes it.
            config: hash of what the run depends on, its seed aside.
            seed: of the training.
            run: directory; of several rows the one that has it, else one with errors.
            role: final, or search. What was only searched for kept no errors, which a
                final run is to have.
        """
        rows = self._done.get((method, config[:HASH_LENGTH], str(seed)), [])
        kept = self._errors
        if role == "final":
            rows = [row for row in rows if row["role"] == role or row["run"] in kept]
        return max(
            rows, key=lambda r: (r["run"] == run, r["run"] in kept), default=None
        )

    @cached_property
    def _done(self) -> Dict[Tuple[str, str, str], List[Row]]:
        done: Dict[Tuple[str, str, str], List[Row]] = {}
        for row in self.rows:
            if row["status"] == "done" and row["role"] != "teacher":
                key = row["method"], row["config"], row["seed"]
                done.setdefault(key, []).append(row)
        return done

    @cached_property
    def _errors(self) -> Dict[str, Dict[str, Errors]]:
        errors: Dict[str, Dict[str, Errors]] = {}
        for (run, name), found in self.errors.items():
            errors.setdefault(run, {})[name] = found
        return errors

    def errors_of(self, run: str) -> Mapping[str, Errors]:
        """Return the errors of a run in each set, none where they were not kept."""
        return self._errors.get(run, {})

    def find_teachers(self, setting: str) -> List[Row]:
        """Return the rows of a setting's teacher."""
        return [
            row
            for row in self.rows
            if row["role"] == "teacher" and row["setting"] == setting
        ]


def read_records(directory: Path) -> Records:
    """Read what an earlier comparison left in ``directory``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file does not hold what it should.
    """
    rows = read_results(directory / RESULTS)
    return Records(rows, read_error_table(directory / ERRORS))


def write_results(path: Path, rows: Sequence[Row]) -> None:
    """Write rows, those of other sets of scores too; what is not known stays empty.

    Args:
        path: results.csv.
        rows: ``COLUMNS``, ``LAST_COLUMNS``, and ``wer_SET`` and ``cer_SET`` of each
            set.
    """
    sets = sorted({name for row in rows for name in scored_sets(row)})
    scores = [f"{unit}_{name}" for name in sets for unit in ("wer", "cer")]
    with atomic_write(path) as f:
        names = (*COLUMNS, *scores, *LAST_COLUMNS)
        writer = csv.DictWriter(f, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: row[name] for name in names if name in row} for row in rows
        )


def scored_sets(row: Row) -> List[str]:
    """List the sets that a row has a WER of."""
    names = [name for name, value in row.items() if name.startswith("wer_") and value]
    return [name[len("wer_") :] for name in names]


def read_results(path: Path) -> List[Row]:
    """Read results.csv.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it lacks columns.
    """
    return _read_rows(path, (*COLUMNS, *LAST_COLUMNS))


def _read_rows(path: Path, columns: Iterable[str]) -> List[Row]:
    need_file(path, "what a comparison has written", "Run the comparison first.")
    with path.open(encoding="utf-8", newline="") as f:
        reader = csv.DictReader(f)
        names = reader.fieldnames or []
        missing = [name for name in columns if name not in names]
        if missing:
            raise ValueError(
                f"{path}: expected the columns of a comparison, {', '.join(missing)} "
                "missing. Give the --out_dir of a comparison, or run that again. The "
                "table of a recipe's runs is another: its stage 13 writes scores.csv."
            )
        return list(reader)


def write_errors(path: Path, table: Mapping[Tuple[str, str], Errors]) -> None:
    """Write the errors of runs, set by set.

    A row has the errors of a run in every utterance of a set. The utterances, and the
    words of their references, are in two rows before the runs that have them.
    """
    with atomic_write(path) as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(ERROR_COLUMNS)
        before = None
        for (run, name), errors in sorted(table.items(), key=_by_utterances):
            if before != (name, errors.utterances, errors.words):
                before = name, errors.utterances, errors.words
                writer.writerow([name, UTTERANCES, " ".join(errors.utterances)])
                writer.writerow([name, WORDS, " ".join(map(str, errors.words))])
            writer.writerow([name, run, " ".join(map(str, errors.wrong))])


def _by_utterances(item: Tuple[Tuple[str, str], Errors]) -> tuple:
    (run, name), errors = item
    return name, errors.utterances, errors.words, run


def read_error_table(path: Path) -> ErrorTable:
    """Read errors.csv.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it lacks columns, or a row has not one number an utterance.
    """
    table: ErrorTable = {}
    utterances: Tuple[str, ...] = ()
    words: Tuple[int, ...] = ()
    for number, row in enumerate(_read_rows(path, ERROR_COLUMNS), 2):
        values = row["errors"].split()
        if row["run"] == UTTERANCES:
            utterances = tuple(values)
            continue
        if len(values) != len(utterances) or not all(map(str.isdecimal, values)):
            raise ValueError(
                f"{path}:{number}: expected {len(utterances)} numbers, one an "
                f"utterance, got {len(values)} words: {row['errors'][:40]} ... Take "
                "the file that belongs to results.csv."
            )
        counts = tuple(map(int, values))
        if row["run"] == WORDS:
            words = counts
        else:
            table[row["run"], row["set"]] = Errors(utterances, counts, words)
    return table
