import pytest

from espnet_tutornet.compare.records import (
    COLUMNS,
    LAST_COLUMNS,
    read_records,
    write_errors,
    write_results,
)
from espnet_tutornet.compare.summary import summarise_comparison
from espnet_tutornet.scoring.significance import Errors

NAMES = (*COLUMNS, *LAST_COLUMNS)


@pytest.fixture(autouse=True)
def nothing_yet(tmp_path):
    write_results(tmp_path / "results.csv", [])
    write_errors(tmp_path / "errors.csv", {})


def add(out, method, seed, wrong, status="done", role="final", **changes):
    """``wrong``: of 20 utterances of 5 words, those with one error."""
    records = read_records(out)
    row = dict.fromkeys(NAMES, "")
    row.update(study="s", setting="s", role=role, student="a", method=method)
    row.update(seed=str(seed), status=status, total_epochs="4", inference="greedy")
    row.update(run=f"exp/s/a_{method}_seed{seed}")
    row.update(parameters="40000", train_seconds="90")
    if status == "done":
        row.update(wer_test=f"{wrong:.2f}", cer_test=f"{wrong:.2f}", rtf="0.001")
        names = tuple(f"u{n:02d}" for n in range(20))
        errors = Errors(names, tuple(int(n < wrong) for n in range(20)), (5,) * 20)
        records.errors[row["run"], "test"] = errors
    row.update(changes)
    write_results(out / "results.csv", [*records.rows, row])
    write_errors(out / "errors.csv", records.errors)


def table(out, heading="## s", **options):
    text = summarise_comparison(out, **options).split(f"{heading}\n")[1]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return [dict(zip(cells[0], row)) for row in cells[2:]]


def test_means_spreads_and_changes_are_those_of_the_seeds(tmp_path):
    for seed, wrong in ((1, 12), (2, 14)):
        add(tmp_path, "none", seed, wrong)
    for seed, wrong in ((1, 2), (2, 4)):
        add(tmp_path, "skd", seed, wrong)
    add(tmp_path, "teacher", 0, 1, role="teacher", student="big")
    add(tmp_path, "skd", 3, 20, role="search")
    teacher, none, skd = table(tmp_path)
    assert (teacher["Method"], teacher["Change test"]) == ("Teacher", "-")
    assert (none["Seeds"], none["Change test"]) == ("2", "-")
    assert skd["WER test"] == "3.00 ± 1.41 (2.00-4.00)"
    assert (skd["Params"], skd["Training"], skd["CER test"]) == (
        "40 k",
        "1.5 min",
        "3.00",
    )
    # 20 errors less in 2 x 100 words
    assert skd["Change test"].startswith("-10.00 (-")
    assert skd["Change test"].endswith("p = 0.002")


def test_p_values_are_corrected_for_the_methods_of_a_student(tmp_path):
    for method, wrong in (("none", 12), ("skd", 2), ("rkd_task", 3), ("kl", 12)):
        add(tmp_path, method, 1, wrong)
        add(tmp_path, method, 1, wrong, student="b", run=f"exp/s/a_{method}_seed1")
    changes = [row["Change test"].split("p = ")[-1] for row in table(tmp_path)]
    assert changes == 2 * ["-", "0.006", "1.000", "0.006"]  # none, skd, kl, rkd_task


def test_equal_runs_are_no_change(tmp_path):
    add(tmp_path, "none", 1, 5)
    add(tmp_path, "skd", 1, 5)
    assert table(tmp_path)[1]["Change test"] == "+0.00 (+0.00 to +0.00), p = 1.000"


def test_another_method_can_be_the_baseline(tmp_path):
    for method, wrong in (("none", 12), ("skd", 8), ("kl", 3)):
        add(tmp_path, method, 1, wrong)
    none, skd, kl = table(tmp_path, baseline="skd")
    assert none["Change test"].startswith("+4.00 (")  # 4 errors more in 100 words
    assert skd["Change test"] == "-"
    assert kl["Change test"].startswith("-5.00 (")
    assert "with the method `skd`" in summarise_comparison(tmp_path, "skd")


def test_the_teacher_can_be_what_every_seed_is_compared_with(tmp_path):
    add(tmp_path, "teacher", 0, 6, role="teacher", student="big")
    for seed, wrong in ((1, 2), (2, 4)):
        add(tmp_path, "skd", seed, wrong)
        add(tmp_path, "none", seed, 9)
    teacher, none, skd = table(tmp_path, baseline="teacher")
    assert teacher["Change test"] == "-"
    assert skd["Change test"].startswith("-3.00 (")  # 6 errors less in 2 x 100 words
    assert none["Change test"].startswith("+3.00 (")
    text = summarise_comparison(tmp_path, "teacher")
    assert "minus that of the teacher, one training for all seeds, in" in text


def test_runs_of_several_teachers_are_said_so(tmp_path):
    add(tmp_path, "none", 1, 5, teacher="abc")
    add(tmp_path, "kl", 1, 5)  # not known
    assert "Trained under" not in summarise_comparison(tmp_path)
    add(tmp_path, "skd", 1, 5, teacher="def")
    text = summarise_comparison(tmp_path)
    assert (
        "**Trained under 2 teachers**, by hash: abc: exp/s/a_none_seed1; def: " in text
    )


def test_settings_have_a_table_and_a_baseline_each(tmp_path):
    add(tmp_path, "none", 1, 5)
    add(tmp_path, "skd", 1, 4, setting="t", learning_rate="0.1")
    (other,) = table(tmp_path, "## t")
    assert (other["Change test"], other["Learning rate"]) == ("-", "0.1")
    assert "Learning rate" not in table(tmp_path)[0]


def test_a_run_whose_errors_are_not_known_has_no_change(tmp_path):
    for seed, wrong in ((1, 12), (2, 14)):
        add(tmp_path, "none", seed, wrong)
        add(tmp_path, "skd", seed, wrong - 10)
        add(tmp_path, "kl", seed, wrong)
    errors = read_records(tmp_path).errors
    for run in ("skd_seed1", "kl_seed1", "kl_seed2"):
        del errors[f"exp/s/a_{run}", "test"]
    write_errors(tmp_path / "errors.csv", errors)
    none, skd, kl = table(tmp_path)
    assert (skd["Seeds"], kl["Seeds"], kl["Change test"]) == ("2", "2", "-")
    assert skd["Change test"].startswith("-10.00 (-")  # of the seed that has both


@pytest.mark.parametrize("rows", [0, 1])
def test_no_result_is_said_so(tmp_path, rows):
    if rows:
        add(tmp_path, "none", 1, 0, status="failed", failure="boo\nKeyError: 'x'")
    text = summarise_comparison(tmp_path)
    assert f"No run to compare has ended yet. Of {rows} in results.csv" in text
    assert f": 0 done, {rows} failed.\n" in text and "|" not in text
    assert ("- `exp/s/a_none_seed1`: KeyError: 'x'" in text) == bool(rows)


def test_a_search_that_has_ended_is_counted_before_its_comparison(tmp_path):
    add(tmp_path, "teacher", 0, 1, role="teacher", student="big")
    add(tmp_path, "skd", 1, 5, role="search")
    add(tmp_path, "skd", 2, 5, status="waiting")
    text = summarise_comparison(tmp_path)
    assert "ended yet. Of 3 in results.csv" in text
    assert "search included: 2 done, 0 failed.\n\n## s\n" in text
