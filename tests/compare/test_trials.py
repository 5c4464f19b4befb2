from dataclasses import replace
from pathlib import Path

import pytest

from espnet_tutornet.compare.grid import Setting
from espnet_tutornet.compare.trials import (
    NEWER_DATA,
    Trial,
    count_trials,
    group_trials,
    hash_file,
    hash_inputs,
    place,
    plan_search,
    plan_trials,
)
from espnet_tutornet.experiment.options import Options

OPTIONS = Options(conf_dir="own", rkd_config="conf/r.yaml", skd_config="conf/s.yaml")


def setting(**changes):
    values = dict(name="s", study="s", axes={}, options={}, students=("a.yaml",))
    values.update(methods=("none", "skd"), seeds=(1, 2), learning_rates=())
    return Setting(**{**values, "search_seeds": (1,), **changes})


def test_a_search_gives_every_method_the_same_rates():
    here = setting(learning_rates=("0.1", "0.2"), search_seeds=(1, 3))
    search = plan_search(here)
    assert len(search) == len(set(search)) == 2 * 2 * 2
    for method in ("none", "skd"):
        found = {(t.rate, t.seed) for t in search if t.method == method}
        assert found == {("0.1", 1), ("0.1", 3), ("0.2", 1), ("0.2", 3)}
    final = plan_trials(here, {("a.yaml", "none"): "0.1", ("a.yaml", "skd"): "0.2"})
    assert count_trials(here) == len({*search, *final}) == 10
    assert plan_search(setting()) == [] and count_trials(setting()) == 4


def test_a_single_rate_is_not_searched_for():
    # so that all seeds train side by side
    here = setting(learning_rates=("0.1",), search_seeds=(7,))
    assert plan_search(here) == []
    trials = plan_trials(here, {})
    assert len(trials) == count_trials(here) == 4
    assert {trial.rate for trial in trials} == {"0.1"}


def test_directories_are_those_of_run_sh():
    trial = Trial(setting(), "conf/train_a.yaml", "rkdmask_kl", 2, "0.1")
    assert trial.directory == "exp/s/a_lr0.1_rkdmask_kl_seed2"
    assert trial.first_directory == "exp/s/a_lr0.1_rkdmask_seed2"
    assert Trial(setting(), "a.yaml", "skd", 1).first_directory == ""


def test_calls_run_what_is_asked_and_nothing_twice():
    here = setting(students=("a", "b"), methods=("none", "skd", "kl"), seeds=(1, 2, 3))
    trials = plan_trials(here, {})
    (call,) = group_trials(trials)
    assert sorted(map(str, call.trials)) == sorted(map(str, trials))
    left = [t for n, t in enumerate(trials) if n % 4]
    ran = [trial for call in group_trials(left) for trial in call.trials]
    assert len(ran) == len(left) and set(ran) == set(left)


def test_the_hash_follows_options_files_and_rate_but_not_the_seed(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    for name in ("a.yaml", "conf/s.yaml", "teacher.pth", "conf/train_teacher.yaml"):
        (tmp_path / name).write_text("one")

    def hashed(method="skd", seed=1, rate="", **changes):
        trial = Trial(setting(), "a.yaml", method, seed, rate)
        return hash_inputs(trial, replace(OPTIONS, **changes), {})

    first = hashed()
    assert hashed(seed=2) == hashed(nj=9) == hashed(inference_nj=3) == first
    others = [hashed(method="none"), hashed(rate="0.1"), hashed(nbpe=5)]
    brought = dict(teacher_asr_model_file="teacher.pth")
    others.append(hashed(**brought))
    for name in ("a.yaml", "conf/s.yaml", "conf/train_teacher.yaml"):
        (tmp_path / name).write_text("two")
        others.append(hashed())
        (tmp_path / name).write_text("one")
    (tmp_path / "teacher.pth").write_text("two")
    others.append(hashed(**brought))
    (tmp_path / "corpus").mkdir()
    others.append(hashed(corpus_dir="corpus"))
    (tmp_path / "corpus/a.flac").write_text("audio")
    others.append(hashed(corpus_dir="corpus"))
    assert len({first, *others}) == len(others) + 1
    again = [hashed(corpus_dir=str(tmp_path / "corpus"))]  # by content, not by place
    (tmp_path / "elsewhere.pth").write_text("two")
    again.append(hashed(teacher_asr_model_file="elsewhere.pth"))
    assert again == [others[-1], others[-3]]
    (tmp_path / "conf/s.yaml").unlink()
    with pytest.raises(FileNotFoundError, match="skd of a.yaml needs .*conf/s.yaml"):
        hashed()


def test_comments_and_the_order_of_keys_are_no_change(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# head\nlr: 0.1\nopt: {a: 1, b: 2}\n")
    first = hash_file(path)
    path.write_text("opt:\n  b: 2  # why\n  a: 1\nlr: 0.1\n")
    assert hash_file(path) == first
    path.write_text("opt: {a: 1, b: 3}\nlr: 0.1\n")
    assert hash_file(path) != first
    path.write_text("opt: {a: 1\n")
    with pytest.raises(ValueError, match="a.yaml, line 2: expected yaml"):
        hash_file(path)


def test_places_are_shared_by_what_they_depend_on():
    places = {
        name: place({**OPTIONS.words(), name: "other"}, Path("out"), setting())
        for name in (
            *("total_epochs", "num_labelled", "teacher_epochs", "top_k"),
            *NEWER_DATA,
        )
    }
    plain = place(OPTIONS.words(), Path("out"), setting())
    assert plain["expdir"] == "out/exp/s"
    assert places["total_epochs"] == plain

    def changed(name):
        return sorted(key for key in plain if places[name][key] != plain[key])

    assert changed("top_k") == ["teacher_cache"]
    assert changed("teacher_epochs") == ["teacher_cache", "teacher_dir"]
    data = ["datadir", "dumpdir", "teacher_cache", "teacher_dir"]
    for name in (*NEWER_DATA, "num_labelled"):
        assert changed(name) == data


def test_what_was_prepared_and_trained_before_stays_in_its_place():
    """Also where options have got other names, and new ones are empty."""
    before = place(OPTIONS.words(), Path("out"), setting())
    assert before["datadir"] == "out/data/79276d40/data"
    assert before["teacher_dir"] == "out/teachers/27af3a19"


def test_hashes_of_published_runs_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("lr: 1.0\n")
    options = Options(teacher_asr_config="b.yaml", inference_config="c.yaml")
    trial = Trial(setting(), "a.yaml", "none", 1)
    assert hash_inputs(trial, options, {})[:10] == "46bc33a6f1"
