import csv
import io
import json

import pytest
import yaml

from espnet_tutornet.experiment.results import read_runs
from espnet_tutornet.experiment.tables import (
    format_scores,
    format_summary,
    summarise,
    write_csv,
)
from espnet_tutornet.scoring.score import COLUMNS
from espnet_tutornet.utils.environment import format_environment


def counts(errors, words=1000, utterances=50):
    values = (utterances, words, words - errors, errors, 0, 0, errors, utterances // 2)
    return dict(zip(COLUMNS, values))


def add_run(expdir, name, wer, student="small", inference="ctc_greedy", **changes):
    """``wer``: errors in 1000 words, by set."""
    info = {"student": student, "teacher": "big", "method": "none", "seed": 1}
    info = {**info, "total_epochs": 10, **changes}
    run = expdir / name
    for test_set, errors in wer.items():
        folder = run / f"decode_{inference}" / test_set
        folder.mkdir(parents=True)
        report = {"set": test_set, "backend": "internal", "wer": counts(errors)}
        report["cer"] = counts(errors // 2)
        (folder / "score.json").write_text(json.dumps(report))
    run.mkdir(exist_ok=True, parents=True)
    (run / "run.yaml").write_text(yaml.safe_dump(info))
    (run / "measure.json").write_text('{"parameters": 1250000, "rtf": 0.01234}')


def summary_of(expdir):
    header, rows = summarise(read_runs(expdir)[0])
    return [dict(zip(header, row)) for row in rows]


def test_summary_gives_mean_sample_deviation_range_and_change(tmp_path):
    for seed, errors in ((1, 100), (2, 110), (3, 120)):
        add_run(tmp_path, f"none_{seed}", {"clean": errors}, seed=seed)
    for seed, errors in ((1, 90), (2, 96)):
        add_run(tmp_path, f"rkd_{seed}", {"clean": errors}, method="rkd_skd", seed=seed)
    none, distilled = summary_of(tmp_path)
    assert none["WER clean"] == "11.00 ± 1.00 (10.00-12.00)"
    assert none["CER clean"] == "5.50"
    assert none["WER change clean"] == "-"
    assert (none["Params"], none["RTF"]) == ("1.25 M", "0.0123")
    # (9.0 + 9.6) / 2 = 9.3; deviation 0.6 / sqrt(2); 9.3 / 11 - 1 = -15.5 %
    assert distilled["WER clean"] == "9.30 ± 0.42 (9.00-9.60)"
    assert distilled["WER change clean"] == "-15.5%"
    assert (distilled["Method"], distilled["Seeds"]) == ("RKD, then SKD", "2")


def test_summary_of_one_seed_has_no_deviation(tmp_path):
    add_run(tmp_path, "a", {"clean": 100})
    assert summary_of(tmp_path)[0]["WER clean"] == "10.00"


def test_summary_shows_small_networks_in_thousands(tmp_path):
    add_run(tmp_path, "a", {"clean": 100})
    (tmp_path / "a" / "measure.json").write_text('{"parameters": 41083, "rtf": 0.01}')
    assert summary_of(tmp_path)[0]["Params"] == "41 k"


def test_summary_puts_teachers_first_and_methods_in_order(tmp_path):
    for method in ("rkd_zeta", "zeta", "rkd_skd", "rkd_task", "skd", "none"):
        add_run(tmp_path, f"b_{method}", {"clean": 9}, student="b", method=method)
        add_run(tmp_path, f"a_{method}", {"clean": 9}, student="a", method=method)
    add_run(tmp_path, "t", {"clean": 5}, student="zz_big", method="teacher")
    names = [(row["Student"], row["Method"]) for row in summary_of(tmp_path)]
    methods = ["No distillation", "SKD only", "SKD (zeta) only", "RKD, then task loss"]
    methods += ["RKD, then SKD", "RKD, then SKD (zeta)"]
    expected = [(s, m) for s in "ab" for m in methods]
    assert names == [("zz_big", "Teacher"), *expected]


def test_rows_with_another_teacher_config_or_budget_stay_apart(tmp_path):
    add_run(tmp_path, "n10", {"clean": 100}, total_epochs=10)
    add_run(tmp_path, "n20", {"clean": 50}, total_epochs=20)
    add_run(tmp_path, "r10", {"clean": 90}, method="skd", total_epochs=10)
    add_run(tmp_path, "r20", {"clean": 40}, method="skd", total_epochs=20)
    add_run(tmp_path, "o20", {"clean": 45}, method="skd", total_epochs=20, teacher="b2")
    add_run(tmp_path, "x", {"clean": 9}, method="skd", config="conf/t9.yaml", seed=2)
    rows = summary_of(tmp_path)
    found = [(r["Method"], r["Epochs"], r["WER change clean"]) for r in rows]
    assert found == [
        ("No distillation", "10", "-"),
        ("No distillation", "20", "-"),
        ("SKD only (no config)", "10", "-10.0%"),
        ("SKD only (t9)", "10", "-91.0%"),
        ("SKD only (from b2)", "20", "-10.0%"),
        ("SKD only (from big)", "20", "-20.0%"),
    ]


def test_a_set_that_no_run_of_the_row_has_shows_a_dash(tmp_path):
    add_run(tmp_path, "a", {"clean": 100, "other": 200})
    add_run(tmp_path, "b", {"clean": 100}, student="tiny")
    small, tiny = summary_of(tmp_path)
    assert (small["WER other"], tiny["WER other"]) == ("20.00", "-")
    assert tiny["CER other"] == "-"


def test_a_mean_over_fewer_seeds_than_the_row_says_so(tmp_path):
    add_run(tmp_path, "a", {"clean": 100, "other": 200})
    add_run(tmp_path, "b", {"clean": 100}, seed=2)
    (row,) = summary_of(tmp_path)
    assert row["Seeds"] == "2"
    assert row["WER clean"] == "10.00 ± 0.00 (10.00-10.00)"
    assert row["WER other"] == "20.00, 1 seed"


def test_each_inference_has_its_own_table(tmp_path):
    add_run(tmp_path, "a", {"clean": 100})
    add_run(tmp_path, "a", {"clean": 80}, inference="beam")
    text = format_summary(read_runs(tmp_path)[0], "github")
    beam, greedy = text.split("## Summary: decode_ctc_greedy")
    assert "## Summary: decode_beam" in beam and "8.00" in beam
    assert "10.00" in greedy and "8.00" not in greedy


def test_csv_has_a_tidy_row_a_run(tmp_path):
    add_run(tmp_path, "b", {"clean": 123}, seed=7, method="skd")
    add_run(tmp_path, "a", {"clean": 100, "other": 201})
    (tmp_path / "b" / "measure.json").unlink()
    measured = {"parameters": 1250000, "rtf": 0.01234, "macs_per_second": 5410000.5}
    measured |= {"size_bytes": 5001234, "rtf_int8": None}
    (tmp_path / "a" / "measure.json").write_text(json.dumps(measured))
    f = io.StringIO()
    runs, notes = read_runs(tmp_path)
    write_csv(runs, f)
    assert list(csv.reader(io.StringIO(f.getvalue()))) == [
        "run student teacher method seed total_epochs parameters rtf inference "
        "wer_clean cer_clean wer_other cer_other "
        "macs_per_second size_bytes rtf_int8".split(),
        "a small big none 1 10 1250000 0.0123 ctc_greedy".split()
        + ["10.00", "5.00", "20.10", "10.00", "5410000", "5001234", ""],
        ["b", "small", "big", "skd", "7", "10", "", "", "ctc_greedy"]
        + ["12.30", "6.10", "", "", "", "", ""],
    ]
    assert notes == ["b: no measure.json, so no size and RTF."]


def test_scores_are_in_the_form_of_espnet(tmp_path):
    add_run(tmp_path, "a", {"clean": 123})
    text = format_scores(read_runs(tmp_path)[0])
    wer = text[text.index("### WER") : text.index("### CER")]
    assert wer.splitlines()[2:5] == [
        "|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|",
        "|---|---|---|---|---|---|---|---|---|",
        "|decode_ctc_greedy_a/clean|50|1000|87.7|12.3|0.0|0.0|12.3|50.0|",
    ]
    assert "|decode_ctc_greedy_a/clean|50|1000|93.9|6.1|" in text


def test_runs_without_score_and_repeated_seeds_are_noted(tmp_path):
    add_run(tmp_path, "a", {"clean": 100})
    add_run(tmp_path, "b", {"clean": 100})
    add_run(tmp_path, "c", {})
    runs, notes = read_runs(tmp_path)
    assert [run.name for run in runs] == ["a", "b"]
    assert notes[0] == "c: skipped, it has no score.json."
    assert notes[1] == "b: repeats seed 1 of a; both count."


def test_empty_expdir_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run found.*run\.yaml.*stage 13"):
        read_runs(tmp_path)
    add_run(tmp_path, "c", {})
    with pytest.raises(FileNotFoundError, match="none of 1 runs is scored.*stage 13"):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("run.yaml", "student: a\n", r"run\.yaml: expected the keys.*'seed'.*missing"),
        ("run.yaml", "student: [\n", r"run\.yaml, line 2: expected yaml"),
        ("measure.json", '{"rtf": 1}', r"measure\.json: .*\['parameters'\] missing"),
        ("measure.json", "{", r"measure\.json: expected JSON"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, message):
    add_run(tmp_path, "a", {"clean": 100})
    (tmp_path / "a" / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_runs(tmp_path)


def test_environment_names_versions_and_no_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    text = format_environment()
    assert "- date: `" in text and "- python version: `3." in text
    assert "pytorch version: `pytorch " in text and "cores`" in text
    assert "Git hash" not in text
    assert str(tmp_path) not in text


def test_scores_of_a_model_that_was_trained_anew_are_not_shown(tmp_path):
    """They stood beside those of the new one, where one set alone was decoded anew."""
    add_run(tmp_path, "a", {"x": 100, "y": 90}, model="sha256-2")
    decoded = tmp_path / "a/decode_ctc_greedy"
    (decoded / "x/model").write_text("sha256-2\n")
    (decoded / "y/model").write_text("sha256-1\n")
    runs, notes = read_runs(tmp_path)
    assert list(runs[0].scores) == ["x"]
    assert "a: 1 scores are of a model that it had before, and not shown" in notes[0]
    (decoded / "y/model").unlink()  # of unknown age
    assert list(read_runs(tmp_path)[0][0].scores) == ["x", "y"]
    add_run(tmp_path, "b", {})  # trained anew, and not decoded
    (tmp_path / "a/run.yaml").write_text((tmp_path / "b/run.yaml").read_text())
    assert list(read_runs(tmp_path)[0][0].scores) == ["y"]
