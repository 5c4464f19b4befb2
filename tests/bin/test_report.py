import json

import pytest

from espnet_tutornet.bin.report import main
from espnet_tutornet.scoring.score import COLUMNS

RUN_YAML = """
student: small
teacher: big
method: rkd_skd
seed: 1
total_epochs: 10
pair: same topology
config: conf/train.yaml
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exp" / "run1" / "decode_ctc_greedy" / "test_clean"
    folder.mkdir(parents=True)
    counts = dict(zip(COLUMNS, (10, 200, 190, 6, 4, 2, 12, 5)))
    report = {"set": "test_clean", "backend": "sclite", "wer": counts, "cer": counts}
    (folder / "score.json").write_text(json.dumps(report))
    run = tmp_path / "exp" / "run1"
    (run / "run.yaml").write_text(RUN_YAML)
    (run / "measure.json").write_text('{"parameters": 2000000, "rtf": 0.5}')
    return tmp_path


def test_report_writes_page_and_csv_and_prints_the_summary(recipe, capsys):
    main(["--title", "Digits"])
    page = (recipe / "exp/RESULTS.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == [
        "# Digits",
        "## Environments",
        "## Summary: decode_ctc_greedy",
        "## Scores",
        "### WER",
        "### CER",
    ]
    assert (
        "|decode_ctc_greedy_run1/test_clean|10|200|95.0|3.0|2.0|1.0|6.0|50.0|" in page
    )
    assert str(recipe) not in page
    assert (recipe / "exp/scores.csv").read_text().splitlines()[1] == (
        "run1,small,big,rkd_skd,1,10,2000000,0.5000,ctc_greedy,6.00,6.00,,,"
    )
    out = capsys.readouterr().out
    assert "RKD, then SKD" in out and "6.00" in out
    assert "Wrote exp/RESULTS.md and exp/scores.csv." in out


def test_report_is_the_same_twice_but_for_the_environment(recipe):
    pages, tables = [], []
    for _ in range(2):
        main([])
        page = (recipe / "exp/RESULTS.md").read_text()
        pages.append(page.split("## Summary")[1])
        tables.append((recipe / "exp/scores.csv").read_bytes())
    assert pages[0] == pages[1] and tables[0] == tables[1]


def test_report_notes_a_run_without_score(recipe, capsys):
    (recipe / "exp" / "run2").mkdir()
    (recipe / "exp" / "run2" / "run.yaml").write_text(RUN_YAML)
    main([])
    assert "Note: run2: skipped" in capsys.readouterr().err


def test_report_of_an_empty_expdir_exits_with_one_line(recipe, capsys):
    (recipe / "empty").mkdir()
    with pytest.raises(SystemExit) as stop:
        main(["--expdir", "empty"])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "error: empty: no run found." in error and "stage 13" in error
    assert not (recipe / "empty/RESULTS.md").exists()


def test_tables_are_of_one_directory(recipe, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--expdir", "exp", "exp2"])
    assert stop.value.code == 2
    assert "tables are of one --expdir" in capsys.readouterr().err
