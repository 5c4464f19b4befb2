import pytest

from espnet_tutornet.recipe.grid import Setting
from espnet_tutornet.recipe.outcomes import (
    Outcome,
    choose_rates,
    find_failure,
    read_results,
    read_tail,
    write_results,
)
from espnet_tutornet.recipe.results import Run
from espnet_tutornet.recipe.scoring import COLUMNS
from espnet_tutornet.recipe.trials import Trial

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


def test_results_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "results.csv"
    rows = [outcome("0.1", 12), outcome("0.2", None)]
    write_results(path, rows)
    done, failed = read_results(path)
    assert (done["wer_dev"], done["learning_rate"], done["seed"]) == (
        "12.00",
        "0.1",
        "1",
    )
    assert (failed["wer_dev"], failed["status"]) == ("", "failed")


def test_a_missing_or_foreign_table_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run the comparison first"):
        read_results(tmp_path / "results.csv")
    (tmp_path / "results.csv").write_text("run,seed\n")
    with pytest.raises(ValueError, match="expected the columns.*study, setting"):
        read_results(tmp_path / "results.csv")
