import json
from pathlib import Path

import pytest

from espnet_tutornet.scoring.score import COLUMNS
from espnet_tutornet.scoring.sets import check_wer, score_sets


@pytest.fixture
def score(tmp_path):
    return write_score(tmp_path, words=200, errors=25)


def write_score(directory, words, errors):
    """Write the score of two utterances whose errors are substitutions."""
    counts = dict(zip(COLUMNS, (2, words, words - errors, errors, 0, 0, errors, 1)))
    path = directory / "dev_clean/score.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"wer": counts}))
    return str(path)


def test_a_dev_set_without_words_has_no_errors(tmp_path):
    score = Path(write_score(tmp_path, words=0, errors=0))
    assert "dev_clean: WER 0.0 %" in check_wer(score, 1.0)


@pytest.mark.parametrize("limit", [12.5, 30.0])
def test_a_wer_at_or_under_the_limit_passes(score, limit):
    said = check_wer(Path(score), limit)
    assert said.endswith(f"dev_clean: WER 12.5 %, at most {limit} %")


def test_a_wer_above_the_limit_stops(score):
    with pytest.raises(RuntimeError, match="expected at most 12.4 %") as stop:
        check_wer(Path(score), 12.4)
    assert "WER of the teacher is 12.5 %" in str(stop.value)
    assert "--teacher_wer_max" in str(stop.value)


def test_the_real_time_factor_is_told_where_it_was_measured(score, tmp_path):
    measured = tmp_path / "measure.json"
    measured.write_text(json.dumps({"rtf": 0.01234}))
    assert "real-time factor 0.0123" in check_wer(Path(score), 30.0, measured)


@pytest.mark.parametrize("nj", [1, 2])
def test_sets_are_scored_side_by_side_and_once(tmp_path, nj):
    folders = []
    for name in ("a", "b", "c"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "text").write_text("u1 HELLO WORLD\n")
        folders.append(tmp_path / "decode" / name)
        folders[-1].mkdir(parents=True)
        (folders[-1] / "text").write_text("u1 HELLO\n")
    assert score_sets(tmp_path / "data", folders, "internal", nj=nj) == 3
    assert score_sets(tmp_path / "data", folders, "internal", nj=nj) == 0
    for folder in folders:
        score = json.loads((folder / "score.json").read_text())
        assert score["wer"]["Del"] == 1 and score["set"] == folder.name


@pytest.fixture
def noisy(tmp_path):
    """Return a decoded set whose reference has symbols."""
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/a/text").write_text("u1 A <noise> BO<um>B\nu2 <noise> B\n")
    (tmp_path / "decode/a").mkdir(parents=True)
    (tmp_path / "decode/a/text").write_text("u1 A BO<um>B\nu2 B\n")
    return tmp_path


def _counts(noisy, *symbols):
    done = score_sets(noisy / "data", [noisy / "decode/a"], "internal", symbols=symbols)
    score = json.loads((noisy / "decode/a/score.json").read_text())
    return done, [(score[kind]["Wrd"], score[kind]["Err"]) for kind in ("wer", "cer")]


def test_symbols_are_left_out_as_asr_sh_leaves_them_out(noisy):
    """Words that are symbols; in characters all of them, wherever they are."""
    symbols = noisy / "symbols.txt"
    symbols.write_text("<noise>\n<um>\n")
    build = pytest.importorskip("espnet2.text.build_tokenizer").build_tokenizer
    removed = dict(non_linguistic_symbols=symbols, remove_non_linguistic_symbols=True)
    done, counts = _counts(noisy, "<noise>", "<um>")
    lines = ["A <noise> BO<um>B", "<noise> B"]
    found = [
        sum(len(build(kind, **removed).text2tokens(line)) for line in lines)
        for kind in ("word", "char")
    ]
    assert counts == [(3, 0), (6, 0)]
    # ESPnet 202511 counts both spaces around what is left out
    assert found in ([3, 6], [3, 8])
    assert _counts(noisy)[1][0] == (5, 2)


def test_other_symbols_score_a_set_anew(noisy):
    assert [_counts(noisy, *s)[0] for s in ([], [], ["<um>"], ["<um>"], [])] == [
        *(1, 0, 1, 0, 1)
    ]


def test_a_fault_of_one_set_among_several_names_its_files(tmp_path):
    folders = [tmp_path / "decode" / name for name in ("a", "b")]
    with pytest.raises(FileNotFoundError, match="Prepare the set"):
        score_sets(tmp_path / "data", folders, "internal", nj=2)
