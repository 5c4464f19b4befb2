import json

import pytest
import yaml

from espnet_tutornet.report.experiments import find_experiments
from espnet_tutornet.report.points import (
    best_distilled,
    gather_points,
    pareto_front,
)
from espnet_tutornet.scoring.score import COLUMNS


def add_run(expdir, name, errors, student="small", sizes=(20_000, 0.002), **changes):
    """``errors``: wrong words of 1000, by set."""
    info = {"student": student, "teacher": "big", "method": "none", "seed": 1}
    run = expdir / name
    run.mkdir(parents=True)
    (run / "run.yaml").write_text(
        yaml.safe_dump({**info, "total_epochs": 9, **changes})
    )
    for test_set, wrong in errors.items():
        counts = dict(zip(COLUMNS, (50, 1000, 1000 - wrong, wrong, 0, 0, wrong, 9)))
        scored = run / "decode_greedy" / test_set
        scored.mkdir(parents=True)
        (scored / "score.json").write_text(json.dumps({"wer": counts, "cer": counts}))
    if sizes:
        measured = dict(zip(("parameters", "rtf"), sizes))
        (run / "measure.json").write_text(json.dumps(measured))


def points_of(expdir):
    return gather_points(find_experiments([expdir])[0], "greedy")


def test_pareto_front_keeps_what_no_other_beats():
    points = [(3.0, 1.0), (1.0, 5.0), (2.0, 5.0), (2.0, 2.0), (4.0, 1.0), (1.0, 5.0)]
    # (2, 5) loses to (1, 5), (4, 1) to (3, 1); equal points stay
    assert pareto_front(points) == [1, 5, 3, 0]
    assert pareto_front([]) == []


def test_points_gather_seeds_in_their_order(tmp_path):
    add_run(tmp_path, "b", {"clean": 120}, seed=2, sizes=(20_000, 0.004))
    add_run(tmp_path, "a", {"clean": 100, "other": 300}, seed=1)
    add_run(tmp_path, "t", {"clean": 50}, student="big", method="teacher")
    teacher, none = points_of(tmp_path)
    assert (teacher.method, none.label) == ("teacher", "No distillation")
    assert none.wer == {"clean": (10.0, 12.0), "other": (30.0,)}
    assert (none.parameters, none.rtf) == (20_000, pytest.approx(0.003))


def test_points_name_what_tells_methods_apart(tmp_path):
    add_run(tmp_path, "a", {"clean": 100}, method="skd", config="conf/x.yaml")
    add_run(tmp_path, "b", {"clean": 100}, method="skd", config="conf/y.yaml")
    labels = [point.label for point in points_of(tmp_path)]
    assert labels == ["SKD only (x)", "SKD only (y)"]


def test_points_are_told_apart_from_those_of_their_method_alone(tmp_path):
    add_run(tmp_path, "a", {"clean": 100}, method="skd")
    add_run(tmp_path, "b", {"clean": 100}, method="skd", teacher="other")
    add_run(tmp_path, "c", {"clean": 100}, method="kl", total_epochs=16)
    labels = [point.label for point in points_of(tmp_path)]
    assert labels == ["SKD only (big)", "SKD only (other)", "SKD (kl) only"]


def test_points_of_runs_without_score_or_size_say_so(tmp_path):
    add_run(tmp_path, "a", {}, sizes=None)
    (point,) = points_of(tmp_path)
    assert (point.wer, point.parameters, point.rtf) == ({}, None, None)


def test_best_distilled_has_the_least_mean_wer_of_its_student(tmp_path):
    add_run(tmp_path, "n", {"clean": 10})
    add_run(tmp_path, "s", {"clean": 90}, method="skd")
    add_run(tmp_path, "r", {"clean": 95}, method="rkd_skd")
    add_run(tmp_path, "x", {"clean": 20}, method="skd", student="other")
    points = points_of(tmp_path)
    assert best_distilled(points, "small", ["unscored", "clean"]).method == "skd"
    assert best_distilled(points, "small", ["unscored"]).method == "rkd_skd"
    assert best_distilled(points, "nobody", ["clean"]) is None


@pytest.fixture
def two_stages(tmp_path):
    """Return a directory with an unscored run that started from an RKD run."""
    add_run(tmp_path, "small_rkd_skd_seed1", {}, method="rkd_skd")
    (tmp_path / "small_rkd_skd_seed1/config.yaml").write_text(
        "seed: 1\ninit_param:\n-   exp/small_rkd_seed1/a.pth:encoder:encoder\nx: 1\n"
    )
    first = tmp_path / "small_rkd_seed1"
    first.mkdir()
    terms = {"rkd": {"frame_weights": "peak", "weight": 1.0}}
    (first / "distill.yaml").write_text(yaml.safe_dump({"terms": terms}))
    return tmp_path


def test_experiments_know_their_first_stage_and_its_weights(two_stages):
    (experiment,), notes = find_experiments([two_stages])
    assert experiment.first_stage == two_stages / "small_rkd_seed1"
    assert experiment.frame_weights == "peak"
    assert notes == [f"{two_stages.name}: no run is scored."]


def test_experiments_need_a_directory_and_whole_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such directory.*--expdir"):
        find_experiments([tmp_path / "nowhere"])
    (tmp_path / "a").mkdir()
    (tmp_path / "a/run.yaml").write_text("student: x\n")
    with pytest.raises(ValueError, match="expected the keys.*'seed'.*missing"):
        find_experiments([tmp_path])
    assert find_experiments([tmp_path / "a"])[0] == []
