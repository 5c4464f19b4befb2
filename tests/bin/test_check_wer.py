import json

import pytest

from espnet_tutornet.bin.check_wer import main
from espnet_tutornet.scoring.score import COLUMNS


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


def test_a_dev_set_without_words_has_no_errors(tmp_path, capsys):
    main(["--score", write_score(tmp_path, words=0, errors=0), "--wer_max", "1"])
    assert "dev_clean: WER 0.0 %" in capsys.readouterr().out


@pytest.mark.parametrize("limit", ["12.5", "30"])
def test_a_wer_at_or_under_the_limit_passes(score, capsys, limit):
    main(["--score", score, "--wer_max", limit])
    assert f"dev_clean: WER 12.5 %, at most {float(limit)} %" in capsys.readouterr().out


def test_a_wer_above_the_limit_stops(score, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--score", score, "--wer_max", "12.4"])
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert "WER of the teacher is 12.5 %, expected at most 12.4 %" in message
    assert "--teacher_wer_max" in message and message.count("\n") == 1


def test_a_missing_score_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--score", str(tmp_path / "score.json"), "--wer_max", "30"])
    assert ended.value.code == 1
    assert str(tmp_path / "score.json") in capsys.readouterr().err


def test_a_limit_is_required(score):
    with pytest.raises(SystemExit) as ended:
        main(["--score", score])
    assert ended.value.code == 2


def test_the_real_time_factor_is_told_where_it_was_measured(score, tmp_path, capsys):
    (tmp_path / "measure.json").write_text(json.dumps({"rtf": 0.01234}))
    measure = str(tmp_path / "measure.json")
    main(["--score", score, "--wer_max", "30", "--measure", measure])
    assert "real-time factor 0.0123" in capsys.readouterr().out
