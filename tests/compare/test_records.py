import pytest

from espnet_tutornet.compare.records import (
    COLUMNS,
    LAST_COLUMNS,
    read_error_table,
    read_records,
    read_results,
    write_errors,
    write_results,
)
from espnet_tutornet.experiment.tables import write_csv
from espnet_tutornet.scoring.significance import Errors

TABLE = {
    ("exp/s/a", "test"): Errors(("u1", "u2"), (0, 11), (5, 4)),
    ("exp/s/b", "test"): Errors(("u1", "u2"), (2, 1), (5, 4)),
    ("exp/t/a", "test"): Errors(("u1",), (3,), (5,)),  # another version of the set
    ("exp/s/a", "dev"): Errors(("v",), (0,), (0,)),
}


def row(**values):
    names = (*COLUMNS, *LAST_COLUMNS)
    return {**dict.fromkeys(names, ""), "status": "done", "run": "r", **values}


def test_results_are_read_as_they_were_written(tmp_path):
    rows = [row(seed="1", wer_test="12.00", cer_test="3.00"), row(failure="a\nb")]
    write_results(tmp_path / "results.csv", rows)
    first, second = read_results(tmp_path / "results.csv")
    assert first == rows[0]
    assert second == {**rows[1], "wer_test": "", "cer_test": ""}


def test_errors_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "errors.csv"
    write_errors(path, TABLE)
    assert read_error_table(path) == TABLE
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + 3 * 2 + 4  # utterances and words once for a and b
    assert lines[:4] == [
        "set,run,errors",
        "dev,utterances,v",
        "dev,words,0",
        "dev,exp/s/a,0",
    ]


def test_a_run_is_found_by_its_inputs_wherever_it_was(tmp_path):
    same = dict(config="0123456789", method="skd", seed="2", role="final")
    rows = [row(run=name, **same) for name in ("exp/s/c", "exp/s/a", "exp/s/b")]
    rows.append(row(run="exp/s/d", **{**same, "seed": "3", "status": "failed"}))
    rows.append(row(run="exp/s/e", **{**same, "seed": "4", "role": "search"}))
    rows.append(row(run="t", role="teacher", setting="s", method="teacher", seed="0"))
    write_results(tmp_path / "results.csv", rows)
    write_errors(tmp_path / "errors.csv", TABLE)
    records = read_records(tmp_path)

    def find(
        method="skd", config="0123456789abcdef", seed=2, run="exp/s/x", role="final"
    ):
        found = records.find(method, config, seed, run, role)
        return found and found["run"]

    assert find(run="exp/s/c") == "exp/s/c"  # that of the place, before others
    assert find() == "exp/s/a"  # whose errors are kept
    assert find(method="kl") is None and find(config="1123456789abcdef") is None
    assert find(seed=1) is None and find(seed=3) is None  # which failed
    assert find("teacher", "", 0, "t") is None
    assert find(seed=4, role="search") == "exp/s/e" and find(seed=4) is None
    assert set(records.errors_of("exp/s/a")) == {"dev", "test"}
    assert records.errors_of("exp/s/c") == {}
    assert [found["run"] for found in records.find_teachers("s")] == ["t"]
    assert records.find_teachers("other") == []


def test_the_table_of_a_recipe_is_told_from_that_of_a_comparison(tmp_path):
    """It had the same name."""
    with (tmp_path / "results.csv").open("w") as f:
        write_csv([], f)
    message = "results.csv: .*study, setting.* missing.*stage 13 writes scores.csv"
    with pytest.raises(ValueError, match=message):
        read_results(tmp_path / "results.csv")


def test_a_missing_or_foreign_table_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run the comparison first"):
        read_records(tmp_path)
    (tmp_path / "results.csv").write_text("run,seed\n")
    with pytest.raises(ValueError, match="expected the columns.*study, setting"):
        read_results(tmp_path / "results.csv")
    (tmp_path / "errors.csv").write_text("set,errors\n")
    with pytest.raises(ValueError, match="expected the columns.*run missing"):
        read_error_table(tmp_path / "errors.csv")


@pytest.mark.parametrize("errors", ["1", "1 2 3", "1 x", "1 -2"])
def test_errors_of_other_utterances_are_refused(tmp_path, errors):
    path = tmp_path / "errors.csv"
    write_errors(path, {("a", "test"): Errors(("u1", "u2"), (0, 1), (5, 4))})
    path.write_text(path.read_text() + f"test,b,{errors}\n")
    with pytest.raises(ValueError, match="errors.csv:5: expected 2 numbers"):
        read_error_table(path)
