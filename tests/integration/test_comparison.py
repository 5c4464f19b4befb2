"""A grid with the real run.sh: run, run again, and with more methods."""

import csv
import re
import sys
import time

import pytest
import yaml

pytestmark = pytest.mark.integration


@pytest.fixture
def compare(finished, call, environment, tmp_path, recipe, conf):
    """Return compare(methods): what was printed. The teacher is the finished one."""
    teacher = finished.exp / "teacher"
    words = ["--out_dir", tmp_path / "out", "--options", f"conf_dir={tmp_path}"]
    words += [f"corpus_dir={finished.options['corpus_dir']}"]
    words += [f"teacher_asr_train_config={teacher}/config.yaml"]
    words += [
        f"teacher_asr_model_file={teacher}/{finished.options['inference_asr_model']}"
    ]

    def run(methods):
        grid = yaml.safe_load((conf / "compare.yaml").read_text())
        grid["studies"][0]["methods"] = methods
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
        command = [sys.executable, "-m", "espnet_tutornet.bin.compare"]
        command += ["--grid", tmp_path / "grid.yaml", *words]
        return call(command, cwd=recipe, env=environment)

    return run


def _products(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def test_a_grid_runs_once_then_nothing_then_what_is_new(compare, tmp_path):
    output = compare(["none"])
    assert "exp/tiny+top_k_4/student_conformer_none_seed1 is trained" in output
    before = _products(tmp_path / "out/exp")
    log = (tmp_path / "out/logs/tiny+top_k_4.log").read_text()
    assert log.count(" done before") > 1
    assert log.splitlines()[0].startswith("# ./run.sh --stop_stage 4 ")

    start = time.time()
    output = compare(["none"])
    assert time.time() - start < 10  # no stage is even asked
    assert "No distillation" in output and "elapsed" not in output
    assert _products(tmp_path / "out/exp") == before

    overlay = "distill_conf: {terms: {skd: {criterion: nonsense}}, task_weight: 1.0}\n"
    (tmp_path / "distill_broken.yaml").write_text(overlay)
    output = compare(["none", "broken", "skd", "rkd_skd"])
    assert "tiny+top_k_4: broken skd rkd_skd, 3 runs" in output
    assert "FAILED exp/tiny+top_k_4/student_conformer_broken_seed1: " in output
    after = _products(tmp_path / "out/exp")
    old = [path for path in before if "_none_" in path]
    assert old and {path: before[path] for path in old} == {p: after[p] for p in old}

    with (tmp_path / "out/results.csv").open(newline="") as f:
        rows = {row["method"]: row for row in csv.DictReader(f)}
    statuses = {method: row["status"] for method, row in rows.items()}
    done = dict.fromkeys(("none", "skd", "rkd_skd", "teacher"), "done")
    assert statuses == {**done, "broken": "failed"}
    assert "nonsense" in rows["broken"]["failure"]
    for method in ("none", "skd", "rkd_skd"):
        assert float(rows[method]["wer_test_clean"]) >= 0
        assert float(rows[method]["train_seconds"]) > 0
        assert float(rows[method]["rtf"]) > 0
    log = (tmp_path / "out/logs/tiny+top_k_4.log").read_text().split("Stage 9: ")[-1]
    launch = re.search(r"students: (\d+) to do", log)
    # 4 trainings and exports of three stages, and what they decode meanwhile
    assert launch and log.index("Stage 11: ") < launch.start() and int(launch[1]) > 8
    summary = (tmp_path / "out/SUMMARY.md").read_text()
    (line,) = [line for line in summary.splitlines() if "| SKD only" in line]
    assert "p = " in line
