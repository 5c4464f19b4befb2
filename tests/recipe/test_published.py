"""The results that the recipe publishes are those of its committed records."""

import os
from pathlib import Path

import pytest

from espnet_tutornet.bin.compare import main
from espnet_tutornet.recipe.comparison_summary import summarise_comparison

REPO = Path(__file__).resolve().parents[2]
RECIPE = REPO / "egs2/librispeech_tutornet/asr1"
RECORDS = sorted(path.parent for path in RECIPE.glob("results/*/errors.csv"))
DIGITS = Path(os.environ.get("TUTORNET_DIGITS", REPO.parent / "shared/corpora/digits"))


@pytest.mark.parametrize("records", RECORDS, ids=lambda path: path.name)
def test_the_summary_is_that_of_the_records(records):
    assert summarise_comparison(records) == (records / "SUMMARY.md").read_text()


@pytest.mark.skipif(not DIGITS.is_dir(), reason="no corpus of digits")
def test_the_grid_with_the_records_gives_the_published_table(tmp_path, capsys):
    records, out = RECIPE / "results/digits", tmp_path / "digits"
    words = ["--grid", RECIPE / "conf/compare/digits.yaml", "--out_dir", out]
    words += ["--run_sh", RECIPE / "run.sh", "--records", records]
    # nothing is to be run, and what were run would fail
    words += ["--options", f"corpus_dir={DIGITS}", "python=/bin/false"]
    main([str(word) for word in words])
    assert "runs" not in capsys.readouterr().out.split("# Comparison")[0]
    for name in ("results.csv", "errors.csv", "SUMMARY.md"):
        assert (out / name).read_text() == (records / name).read_text(), name
