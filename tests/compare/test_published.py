"""The results that the recipe publishes are those of its committed records."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from espnet_tutornet.bin.compare import main
from espnet_tutornet.compare.summary import summarise_comparison

REPO = Path(__file__).resolve().parents[2]
RECIPE = REPO / "egs2/librispeech_tutornet/asr1"
RECORDS = sorted(path.parent for path in RECIPE.glob("results/*/errors.csv"))
# grids of which the teacher is brought: the variable that says where it is packed
BROUGHT = {"digits_labels": "TUTORNET_DIGITS_TEACHER"}
DIGITS = Path(os.environ.get("TUTORNET_DIGITS", REPO.parent / "shared/corpora/digits"))
SENTENCES = DIGITS.parent / "speechocean762"


class NothingToRun:
    """A runner that must not be asked."""

    def start(self, options, log):
        pytest.fail(f"{log} was to be run, its records are not of these inputs")


def baseline_of(records):
    """Return the method that a summary says it compares with."""
    return re.search(r"with the method `(\w+)`", (records / "SUMMARY.md").read_text())[
        1
    ]


@pytest.fixture(params=RECORDS, ids=lambda path: path.name)
def records(request):
    return request.param


@pytest.fixture
def open_corpus(tmp_path):
    """Return the corpus of links that the study's commands make of others."""
    if not SENTENCES.is_dir():
        pytest.skip("no corpus of sentences")
    text = (REPO / "docs/studies/open_vocabulary.md").read_text()
    commands = re.search(r"```bash\n(.*?)python -m", text, re.DOTALL)[1]
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/corpora").symlink_to(DIGITS.parent.resolve())
    recipe = tmp_path / RECIPE.relative_to(REPO.parent)
    recipe.mkdir(parents=True)
    subprocess.run(["bash", "-euc", commands], cwd=recipe, check=True)
    return recipe / "downloads/open"


def test_the_commands_for_open_vocabulary_make_its_corpus(open_corpus):
    speakers = {part.name: sorted(part.iterdir()) for part in open_corpus.iterdir()}
    train, dev = (
        [link.name for link in speakers[f"{part}-clean"]] for part in ("train", "dev")
    )
    everyone = sorted(path.name for path in (SENTENCES / "train-clean").iterdir())
    assert sorted(train + dev) == everyone
    assert dev == everyone[12::13]
    assert all(link.is_dir() for links in speakers.values() for link in links)
    assert {"test-clean", "train-lj", "train-asterisk"} < set(speakers)


def test_there_are_records():
    assert RECORDS


def test_the_summary_is_that_of_the_records(records):
    summary = summarise_comparison(records, baseline_of(records))
    assert summary == (records / "SUMMARY.md").read_text()


@pytest.mark.skipif(not DIGITS.is_dir(), reason="no corpus of digits")
def test_the_grid_with_the_records_gives_the_published_table(
    records, tmp_path, capsys, request, monkeypatch
):
    out = tmp_path / records.name
    corpus = DIGITS
    if records.name == "open_vocabulary":
        corpus = request.getfixturevalue("open_corpus")
    options = [f"corpus_dir={corpus}"]
    if records.name in BROUGHT:
        variable = BROUGHT[records.name]
        if variable not in os.environ:
            pytest.skip(f"no teacher of {records.name}: {variable} names none")
        options.append(f"teacher={os.environ[variable]}")
    words = ["--grid", RECIPE / f"studies/{records.name}.yaml", "--out_dir", out]
    words += ["--recipe", RECIPE, "--records", records]
    words += ["--baseline", baseline_of(records)]
    monkeypatch.setattr("espnet_tutornet.compare.comparison.Runner", NothingToRun)
    words += ["--options", *options]
    main([str(word) for word in words])
    assert "runs" not in capsys.readouterr().out.split("# Comparison")[0]
    for name in ("results.csv", "errors.csv", "SUMMARY.md"):
        assert (out / name).read_text() == (records / name).read_text(), name
