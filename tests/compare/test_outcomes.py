from dataclasses import replace

import pytest

from espnet_tutornet.compare.grid import Setting
from espnet_tutornet.compare.outcomes import (
    Outcome,
    choose_rates,
    describe_outcome,
    find_errors,
    find_failure,
    read_tail,
    recorded_teacher,
)
from espnet_tutornet.compare.trials import Trial
from espnet_tutornet.experiment.results import Run
from espnet_tutornet.scoring.score import COLUMNS, score
from espnet_tutornet.scoring.significance import Errors

SETTING = Setting("s", "s", {}, {}, ("a.yaml",), ("none",), (1,), (), ())
STEPS = ("a_rkd_seed1/train", "a_rkd_skd_seed1/train", "a_rkd_skd_seed1/export")
DECODED = "a_rkd_skd_seed1/decode_greedy/test/decode"


@pytest.fixture
def trial(tmp_path):
    """Return a trial that went well."""
    for step in (*STEPS, DECODED):
        path = tmp_path / "exp/s" / step
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.done").write_text("stamp\n")
        path.with_name(f"{path.name}.log").write_text(f"log of {step}\n")
    (tmp_path / "exp/s" / DECODED).with_name("score.json").write_text("{}")
    return Trial(SETTING, "a.yaml", "rkd_skd", 1)


def outcome(rate, errors, seed=1, method="none"):
    trial = Trial(SETTING, "a.yaml", method, seed, rate)
    run = None
    if errors is not None:
        counts = dict(zip(COLUMNS, (10, 100, 100 - errors, errors, 0, 0, errors, 5)))
        scores = {"dev": {"wer": counts, "cer": counts}}
        run = Run("r", "a", "big", method, seed, 4, "a", "greedy", scores=scores)
    status = "failed" if run is None else "done"
    return Outcome(trial, "search", status, "", "exp/s/r", "greedy", "", run)


@pytest.mark.parametrize("step", [*STEPS, DECODED])
def test_a_failure_is_that_of_the_first_step_without_its_marker(tmp_path, trial, step):
    assert find_failure(tmp_path, trial, "greedy") == ""
    path = tmp_path / "exp/s" / step
    path.with_name(f".{path.name}.done").unlink()
    assert find_failure(tmp_path, trial, "greedy") == f"log of {step}"
    path.with_name(f"{path.name}.log").unlink()
    assert find_failure(tmp_path, trial, "greedy") == f"exp/s/{step}.log: not begun"


def test_a_run_without_scores_has_failed(tmp_path, trial):
    assert find_failure(tmp_path, trial, "beam") == "not scored: any set"
    (tmp_path / "exp/s" / DECODED).with_name("score.json").unlink()
    assert find_failure(tmp_path, trial, "greedy") == "not scored: test"


def test_the_tail_of_a_large_log_is_its_last_lines(tmp_path):
    (tmp_path / "log").write_text("line\n" * 100_000 + "the end\n\n")
    assert read_tail(tmp_path / "log", 2) == "line\nthe end"
    assert read_tail(tmp_path / "none") == ""


def test_the_best_mean_wer_on_the_dev_set_chooses_the_rate():
    found = [outcome("0.1", 10), outcome("0.1", 30, seed=2)]
    found += [outcome("0.2", 15), outcome("0.2", 15, seed=2)]
    found += [outcome("0.1", 9, method="skd"), outcome("0.2", None, method="skd")]
    found += [outcome("0.1", None, method="x"), outcome("0.2", None, method="x")]
    assert choose_rates(found, "dev") == {
        ("a.yaml", "none"): "0.2",
        ("a.yaml", "skd"): "0.1",
        ("a.yaml", "x"): "0.1",
    }


def test_a_row_says_how_a_trial_ended():
    done, failed = map(describe_outcome, (outcome("0.1", 12), outcome("0.2", None)))
    assert (done["wer_dev"], done["cer_dev"], done["status"]) == ("12.00",) * 2 + (
        "done",
    )
    assert (done["learning_rate"], done["seed"], done["run"]) == ("0.1", "1", "exp/s/r")
    assert "wer_dev" not in failed and failed["status"] == "failed"


def test_a_recorded_run_keeps_its_row_and_takes_the_new_role():
    row = describe_outcome(outcome("0.1", 12))
    again = replace(outcome("0.1", None), role="final", recorded=row)
    assert describe_outcome(again) == {**row, "role": "final"}
    teacher = recorded_teacher(SETTING, {**row, "role": "teacher", "student": "big"})
    described = describe_outcome(teacher)
    assert (described["student"], described["role"]) == ("big", "teacher")


def test_a_recorded_run_takes_part_in_the_choice_of_a_rate():
    found = [outcome("0.1", 10), outcome("0.2", None)]
    found[1] = replace(found[1], recorded=describe_outcome(outcome("0.2", 5)))
    assert choose_rates(found, "dev") == {("a.yaml", "none"): "0.2"}


def test_errors_are_those_of_the_reports(tmp_path):
    folder = tmp_path / "exp/s/r/decode_greedy/dev/score_wer"
    score(folder, {"u": ["A", "B"]}, {"u": ["A"]}, "internal")
    found = find_errors(tmp_path, outcome("0.1", 12))
    assert found == {("exp/s/r", "dev"): Errors(("u-u",), (1,), (2,))}
    assert find_errors(tmp_path, outcome("0.1", None)) == {}
