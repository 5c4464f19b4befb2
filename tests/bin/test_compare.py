import csv
import json
import re
import runpy
import shutil
import signal
import sys
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml

from espnet_tutornet.bin.compare import main
from espnet_tutornet.compare.records import read_error_table
from espnet_tutornet.utils.lock import hold

REPO = Path(__file__).resolve().parents[2]
RECIPE = REPO / "egs2/librispeech_tutornet/asr1"
STAGES = runpy.run_path(str(Path(__file__).with_name("fake_recipe.py")))


class FakeRunner:
    """Stages that pretend, each call of them in a fork of this process."""

    @contextmanager
    def start(self, options, log):
        log.parent.mkdir(parents=True, exist_ok=True)
        job = get_context("fork").Process(target=pretend, args=(options.given(), log))
        job.start()
        yield job
        job.join()


def pretend(words, log):
    """Run the stages; what they say goes to the log."""
    sys.stdout = sys.stderr = log.open("a", buffering=1)
    STAGES["main"](words)


class Bench:
    """A recipe that pretends, a corpus, a grid, and the command."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys
        self.corpus, self.out = root / "corpus", root / "out"
        self.corpus.mkdir()
        lines = [f"u{n:02d} ONE TWO THREE FOUR FIVE\n" for n in range(40)]
        (self.corpus / "text").write_text("".join(lines))
        conf = root / "conf"
        conf.mkdir()
        names = ["distill_rkd", "distill_skd", "distill_broken", "train_teacher"]
        for name in (*names, "decode_ctc_bs1", "train_a", "train_b"):
            (conf / f"{name}.yaml").write_text("optim_conf: {lr: 1.0, eps: 2.0}\n")
        (root / "local").mkdir()
        (root / "local/data.sh").touch()
        self.study = {"name": "s", "students": ["conf/train_a.yaml"], "seeds": [1, 2]}
        self.study["methods"] = ["none", "skd"]
        self.studies = [self.study]
        self.options = {"total_epochs": 4, "test_sets": "dev_clean test_clean"}

    def run(self, *words, status=0):
        """Return what was printed; only the calls of this run are kept."""
        (self.root / "calls.txt").unlink(missing_ok=True)
        grid = self.root / "grid.yaml"
        whole = dict(options=self.options, studies=self.studies)
        grid.write_text(yaml.safe_dump(whole, sort_keys=False))
        command = ["--grid", grid, "--recipe", self.root]
        command += ["--out_dir", self.out, *words, "--options"]
        command += [f"corpus_dir={self.corpus}"]
        if status:
            with pytest.raises(SystemExit) as stop:
                main([str(word) for word in command])
            assert stop.value.code == status
        else:
            main([str(word) for word in command])
        printed = self.capsys.readouterr()
        return printed.out + printed.err

    def calls(self):
        """Return the experiments that trained."""
        path = self.root / "calls.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if call.get("stage") == "5"]

    def trained(self):
        """Return (configuration, method, seed) of what was trained."""
        return sorted(
            (Path(config).stem, method, int(seed))
            for call in self.calls()
            for config in call["student_asr_config"].split()
            for method in call["methods"].split()
            for seed in call["seeds"].split()
        )

    def rows(self, **wanted):
        with (self.out / "results.csv").open(newline="") as f:
            rows = list(csv.DictReader(f))
        return [r for r in rows if all(r[key] == v for key, v in wanted.items())]


@pytest.fixture(autouse=True)
def end_of_the_command():
    """Take back how the command ends: forks of later tests inherited it, and hung."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def bench(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("espnet_tutornet.compare.comparison.Runner", FakeRunner)
    return Bench(tmp_path, capsys)


def test_a_grid_becomes_a_tidy_table_and_a_summary(bench):
    output = bench.run("--nj", "3")
    (call,) = bench.calls()  # one for all, so that nj run side by side
    assert (call["nj"], call["seeds"], call["methods"]) == ("3", "1 2", "none skd")
    assert call["keep_going"] == "true" and call["total_epochs"] == "4"
    rows = bench.rows(role="final")
    assert [(r["student"], r["method"], r["seed"]) for r in rows] == [
        ("a", method, seed) for method in ("none", "skd") for seed in "12"
    ]
    for row in rows:
        assert row["status"] == "done" and row["failure"] == ""
        assert row["teacher"] == "0123456789"
        assert (row["study"], row["setting"]) == ("s", "s")
        assert (row["total_epochs"], row["parameters"]) == ("4", "40000")
        assert (row["train_seconds"], row["rtf"]) == ("12.5", "0.0020")
        assert 0 < float(row["wer_test_clean"]) < 50 and row["cer_dev_clean"]
        assert (bench.out / row["run"] / "run.yaml").is_file()
    hashes = [row["config"] for row in rows]  # of all but the seed
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]
    (teacher,) = bench.rows(role="teacher")
    assert (teacher["student"], teacher["method"]) == ("big", "teacher")
    lines = [line for line in output.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    names = [row[2] for row in cells[2:]]
    assert names == ["Teacher", "No distillation", "SKD only"]
    skd = dict(zip(cells[0], cells[4]))
    assert re.fullmatch(r"\S+ ± \S+ \(\S+-\S+\)", skd["WER test_clean"])
    change = skd["Change test_clean"]
    assert re.fullmatch(r"-\S+ \(-\S+ to -\S+\), p = 0\.00\d", change)
    assert (bench.out / "SUMMARY.md").read_text() in output


def test_a_second_run_calls_nothing_and_a_new_method_runs_alone(bench):
    bench.run()
    before = (bench.out / "results.csv").read_text()
    output = bench.run()
    assert not (bench.root / "calls.txt").exists()
    assert (bench.out / "results.csv").read_text() == before
    assert "SKD only" in output
    bench.study["methods"] = ["none", "rkd_task", "skd"]
    bench.study["seeds"] = [1, 2, 3]
    bench.run()
    assert bench.trained() == [
        ("train_a", "none", 3),
        *(("train_a", "rkd_task", seed) for seed in (1, 2, 3)),
        ("train_a", "skd", 3),
    ]
    assert len(bench.calls()) == 2  # by seeds
    assert len(bench.rows(role="final", status="done")) == 9
    (row,) = bench.rows(method="rkd_task", seed="2")
    assert row["train_seconds"] == "25.0"  # stage 1 included


def test_records_stand_for_runs_that_are_gone(bench):
    bench.study.update(learning_rates=[0.01, 0.1], search_seeds=[1])
    bench.options["valid_set"] = "dev_clean"
    bench.run()
    names = ("results.csv", "errors.csv", "SUMMARY.md")
    before = [(bench.out / name).read_text() for name in names]
    records = bench.out.rename(bench.root / "records")
    shutil.rmtree(records / "exp")
    bench.out = bench.root / "again/out"
    (bench.root / "conf/train_a.yaml").write_text(  # says the same
        "# a head\noptim_conf:\n  eps: 2.0\n  lr: 1.0\n"
    )
    bench.run("--records", records)
    assert not (bench.root / "calls.txt").exists()
    assert [(bench.out / name).read_text() for name in names] == before
    bench.study["methods"] = ["none", "skd", "rkd_task"]
    output = bench.run("--records", records)
    assert {method for _, method, _ in bench.trained()} == {"rkd_task"}
    changed = next(line for line in output.splitlines() if "RKD, then task" in line)
    assert re.search(
        r"-\S+ \(-\S+ to [+-]\S+\), p = ", changed
    )  # against recorded runs


def test_records_stand_for_the_same_runs_of_another_study(bench):
    bench.study.update(learning_rates=[0.01, 0.1], search_seeds=[1])
    bench.options["valid_set"] = "dev_clean"
    bench.run()
    before = [row for row in bench.rows() if row["method"] != "skd"]
    records = bench.out.rename(bench.root / "records")
    bench.out = bench.root / "out"
    bench.study.update(name="other", methods=["none", "rkd_task"])
    output = bench.run("--records", records)
    assert {method for _, method, _ in bench.trained()} == {"rkd_task"}
    for row in before:
        row.update(study="other", setting="other")
        row["run"] = row["run"].replace("exp/s/", "exp/other/")
    assert [row for row in bench.rows() if row["method"] != "rkd_task"] == before
    changed = next(line for line in output.splitlines() if "RKD, then task" in line)
    assert ", p = " in changed  # against recorded runs
    shutil.rmtree(bench.out)  # nor is the teacher known but from the records
    bench.study["methods"] = ["none"]
    bench.run("--records", records)
    assert bench.rows() == before
    lines = (bench.out / "errors.csv").read_text().splitlines()
    assert sum("exp/other/big" in line for line in lines) == 2  # test sets


def test_what_was_only_searched_is_run_where_it_is_compared(bench):
    bench.study.update(learning_rates=[0.01, 0.1], search_seeds=[1])
    bench.options["valid_set"] = "dev_clean"
    bench.run()
    (searched,) = bench.rows(role="search", method="skd")
    records = bench.out.rename(bench.root / "records")
    bench.out = bench.root / "out"
    bench.study["learning_rates"] = [searched["learning_rate"]]
    bench.run("--records", records)
    skd = [seed for _, method, seed in bench.trained() if method == "skd"]
    assert sorted(skd) == [1, 2]  # the first seed for its errors
    assert len(bench.rows(role="final", status="done", method="skd")) == 2


def test_records_of_other_inputs_are_run(bench):
    bench.run()
    records = bench.out.rename(bench.root / "records")
    bench.out = bench.root / "out"
    (bench.root / "conf/distill_skd.yaml").write_text("other: 1\n")
    bench.run("--records", records)
    assert bench.trained() == [("train_a", "skd", seed) for seed in (1, 2)]


def test_what_was_removed_runs_again(bench):
    bench.run()
    marker = bench.out / "exp/s/a_skd_seed2/.compare.done"
    marker.unlink()
    bench.run()
    assert bench.trained() == [("train_a", "skd", 2)]


@pytest.mark.parametrize(
    "file, trained",
    [
        ("train_a.yaml", [("none", 1), ("none", 2), ("skd", 1), ("skd", 2)]),
        ("distill_skd.yaml", [("skd", 1), ("skd", 2)]),
        ("distill_broken.yaml", []),
    ],
)
def test_a_changed_file_runs_what_depends_on_it(bench, file, trained):
    bench.run()
    before = {row["run"]: row["config"] for row in bench.rows(role="final")}
    with (bench.root / "conf" / file).open("a") as f:
        f.write("more: 1\n")
    bench.run()
    assert bench.trained() == [("train_a", *pair) for pair in trained]
    after = {row["run"]: row["config"] for row in bench.rows(role="final")}
    changed = sorted(run for run in before if before[run] != after[run])
    assert changed == [f"exp/s/a_{method}_seed{seed}" for method, seed in trained]


def test_a_changed_option_runs_all_again(bench):
    bench.run()
    bench.options["total_epochs"] = 5
    bench.run()
    assert len(bench.trained()) == 4
    assert {row["total_epochs"] for row in bench.rows(role="final")} == {"5"}


def test_a_failed_run_is_recorded_and_the_rest_goes_on(bench):
    bench.study["methods"] = ["broken", "none"]
    output = bench.run()
    assert "FAILED exp/s/a_broken_seed1: KeyError: 'the cause'" in output
    for row in bench.rows(method="broken"):
        assert row["status"] == "failed" and row["wer_test_clean"] == ""
        assert row["failure"].splitlines()[-2:] == ["much", "KeyError: 'the cause'"]
    assert len(bench.rows(status="done", role="final")) == 2
    summary = (bench.out / "SUMMARY.md").read_text()
    assert "## Failed" in summary and "a_broken_seed2`: KeyError: 'the c" in summary
    bench.run()  # tries again what failed, and that alone
    assert {method for _, method, _ in bench.trained()} == {"broken"}


def test_a_result_of_before_a_change_is_not_reported_after_it_failed(bench):
    bench.run()
    (bench.root / "conf/train_a.yaml").write_text("broken: true\n")
    bench.run()
    rows = bench.rows(role="final")
    assert {row["status"] for row in rows} == {"failed"}
    assert not any(name.startswith("wer_") for name in rows[0])
    assert "No run to compare has ended yet" in (bench.out / "SUMMARY.md").read_text()


def test_a_file_that_changes_while_it_is_used_leaves_its_runs_to_be_done_again(bench):
    bench.options["asr_args"] = "edit"
    bench.run()
    assert {row["status"] for row in bench.rows(method="none")} == {"done"}
    (failure,) = {row["failure"] for row in bench.rows(method="skd")}
    assert "changed while it ran: compare again" in failure
    bench.run()
    assert {method for _, method, _ in bench.trained()} == {"skd"}
    assert {row["status"] for row in bench.rows()} == {"done"}


def test_a_call_that_stops_leaves_the_other_settings_alone(bench):
    bench.study["axes"] = {"asr_args": ["crash", "fine"]}
    bench.study["methods"] = ["none"]
    output = bench.run()
    assert "error: no teacher" in output
    rows = {r["setting"]: (r["status"], r["failure"]) for r in bench.rows(seed="1")}
    assert rows["s+asr_args_crash"] == ("failed", "error: no teacher")
    assert rows["s+asr_args_fine"] == ("done", "")


def test_learning_rates_are_searched_alike_and_the_best_is_compared(bench):
    """In the pretended recipe ``none`` is best at 0.1 and ``skd`` at 0.01."""
    bench.study.update(learning_rates=[0.01, 0.1], search_seeds=[1])
    bench.options["valid_set"] = "dev_clean"
    bench.run()
    rates = [("train_a_lr0.01", 0.01), ("train_a_lr0.1", 0.1)]
    searched = [(name, method, 1) for name, _ in rates for method in ("none", "skd")]
    final = [("train_a_lr0.1", "none", 2), ("train_a_lr0.01", "skd", 2)]
    assert bench.trained() == sorted([*searched, *final])
    compared = {row["run"] for row in bench.rows() if row["role"] != "search"}
    assert {run for run, _ in read_error_table(bench.out / "errors.csv")} == compared
    for name, rate in rates:
        made = yaml.safe_load((bench.out / f"configs/{name}.yaml").read_text())
        assert made == {"optim_conf": {"lr": rate, "eps": 2.0}}
    chosen = {(r["method"], r["learning_rate"]) for r in bench.rows(role="final")}
    assert chosen == {("none", "0.1"), ("skd", "0.01")}
    assert len(bench.rows(role="search")) == 2
    assert len(bench.rows(role="final")) == 4
    summary = (bench.out / "SUMMARY.md").read_text()
    assert re.search(r"\| a +\| SKD only +\| 0.01 +\| 40 k +\| 4 +\| 2 ", summary)
    bench.run()
    assert bench.calls() == []


def test_settings_share_data_and_teacher_where_they_are_the_same(bench):
    bench.study["axes"] = {"total_epochs": [3, 5], "num_labelled": [10, 20]}
    bench.run()
    calls = bench.calls()
    assert len(calls) == len({call["expdir"] for call in calls}) == 4
    by_labels = {}
    for call in calls:
        found = (call["datadir"], call["teacher_dir"], call["teacher_cache"])
        by_labels.setdefault(call["num_labelled"], set()).add(found)
    assert [len(found) for found in by_labels.values()] == [1, 1]
    assert by_labels["10"].isdisjoint(by_labels["20"])
    prepared = (bench.root / "calls.txt").read_text().count('"stop_stage": "4"')
    assert prepared == 2
    assert (
        "## s+total_epochs_3+num_labelled_10" in (bench.out / "SUMMARY.md").read_text()
    )


def test_tokens_do_not_depend_on_the_methods_of_a_call(bench):
    bench.options.update(
        teacher_asr_train_config="conf/train_a.yaml",
        teacher_asr_model_file="conf/train_b.yaml",
    )
    bench.study["methods"] = ["none"]
    bench.run()
    assert [call["token_type"] for call in bench.calls()] == ["teacher"]


def test_another_version_of_the_corpus_is_refused(bench):
    bench.run()
    before = (bench.out / "results.csv").read_text()
    text = bench.corpus / "text"
    lines = text.read_text().splitlines(keepends=True)
    text.write_text("".join(lines[:-1]))
    output = bench.run(status=1)
    assert (
        "its results are of another version of the corpus: dev_clean has 39" in output
    )
    assert "not 40" in output and "or give another --out_dir" in output
    assert bench.calls() == []
    assert (bench.out / "results.csv").read_text() == before
    text.write_text("".join(lines))
    bench.run()
    assert bench.calls() == []


def test_progress_tells_the_time_that_is_left(bench):
    bench.studies.append({**bench.study, "name": "t"})
    output = bench.run()
    lines = [line for line in output.splitlines() if line.startswith("[")]
    assert re.fullmatch(r"\[00:\d\d elapsed, 32 epochs left\] s: .*4 runs", lines[0])
    (half,) = [line for line in lines if "t: none skd, 4 runs" in line]
    assert re.match(r"\[00:\d\d elapsed, about 00:\d\d left\]", half)
    assert sum("is trained" in line for line in lines) == 8


def test_the_time_of_the_teacher_is_not_expected_of_the_students(bench):
    bench.options["asr_args"] = "slow"  # of 3 s
    lines = [line for line in bench.run().splitlines() if "is trained" in line]
    form = r"\[00:(\d\d) elapsed, about 00:(\d\d) left"
    elapsed, left = re.match(form, lines[0]).groups()
    assert int(elapsed) >= 3 and int(left) <= 2  # of 4 students, one is done


def test_a_dry_run_lists_the_runs_and_runs_nothing(bench):
    bench.study["methods"] = ["none"]
    bench.run()
    bench.study["methods"] = ["none", "skd"]
    output = bench.run("--dry_run")
    assert "done     final   exp/s/a_none_seed1" in output
    assert "waiting  final   exp/s/a_skd_seed2" in output
    assert bench.calls() == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"student": []}, "study 1: unknown key 'student', expected one of name, stu"),
        (
            {"options": {"x": 1}},
            "run.sh has no option 'x', it has asr_args, cache_missing, c",
        ),
        ({"methods": ["kl"]}, "kl of conf/train_a.yaml needs .*conf/distill_kl.yaml"),
        ({"students": ["conf/c.yaml"]}, "needs .*conf/c.yaml, which is not there"),
        ({"students": ["conf/train_a.yaml", "./conf/a.yaml"]}, "have one name"),
    ],
)
def test_a_wrong_grid_is_one_line_before_anything_runs(bench, change, message):
    (bench.root / "conf/a.yaml").write_text("")
    bench.study.update(change)
    output = bench.run(status=1)
    assert re.search(message, output) and "Traceback" not in output
    assert not (bench.root / "calls.txt").exists()


@pytest.mark.parametrize("path", sorted(RECIPE.glob("studies/*.yaml")))
def test_the_grids_of_the_recipe_plan_their_runs(path, tmp_path, capsys):
    words = ["--grid", path, "--recipe", RECIPE, "--out_dir", tmp_path, "--dry_run"]
    main([*map(str, words), "--options", f"corpus_dir={tmp_path}"])
    study = yaml.safe_load(path.read_text())["studies"][0]
    lines = capsys.readouterr().out.splitlines()
    rates = study.get("learning_rates", [])
    first = rates if len(rates) > 1 else study["seeds"]  # a search comes first
    count = len(study["students"]) * len(study["methods"]) * len(first)
    assert len(lines) >= count and all(x.startswith("waiting ") for x in lines)


def test_one_comparison_a_directory(bench):
    bench.out.mkdir()
    with hold(bench.out, "this test"):
        assert "another comparison works in" in bench.run(status=1)
    bench.run("--dry_run")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--nj", "0"], "--nj of 1 or more, got none and 0"),
        (["--recipe", "nowhere"], "nowhere/local/data.sh: no such file"),
        (["--records", "nowhere"], "no nowhere/results.csv: expected what a comp"),
        (
            ["--baseline", "kl"],
            "must be teacher or a method of the grid, none, skd, got kl",
        ),
    ],
)
def test_a_wrong_command_line_is_refused(bench, words, message):
    output = bench.run(*words, status=1)
    assert "error: " in output and message in output


def test_the_summary_can_be_against_another_method(bench):
    bench.run()
    before = (bench.out / "results.csv").read_text()
    output = bench.run("--baseline", "skd")
    assert not bench.calls() and (bench.out / "results.csv").read_text() == before
    none = next(line for line in output.splitlines() if "| No distillation" in line)
    assert re.search(r"\| \+\S+ \(\+\S+ to \+\S+\), p = 0\.00\d \|", none)
