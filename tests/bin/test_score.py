import json
import os

import pytest

from espnet_tutornet.bin.score import main

REF = "u1 HELLO WORLD\nu2 A B\n"
HYP = "u1 HELLO WORD\nu2\n"


@pytest.fixture
def decoded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exp" / "run" / "decode_ctc_greedy" / "test_clean"
    folder.mkdir(parents=True)
    (folder / "text").write_text(HYP)
    (tmp_path / "dump" / "test_clean").mkdir(parents=True)
    (tmp_path / "dump" / "test_clean" / "text").write_text(REF)
    (tmp_path / "dump" / "test_clean" / "utt2spk").write_text("u1 anna\nu2 ben\n")
    return folder


def run(decoded, *options):
    main(["--decode_dirs", str(decoded), "--backend", "internal", *options])


def test_score_writes_word_and_character_counts(decoded, capsys):
    run(decoded)
    report = json.loads((decoded / "score.json").read_text())
    assert report["set"] == "test_clean"
    assert report["backend"] == "internal"
    assert list(report["wer"].values()) == [2, 4, 1, 1, 2, 0, 3, 2]
    # HELLO<space>WORLD has 11 characters of which one is lost, A<space>B has 3.
    assert list(report["cer"].values()) == [2, 14, 10, 0, 4, 0, 4, 2]
    assert "| anna " in (decoded / "score_wer" / "result.txt").read_text()
    assert "H E L L O <space> W" in (decoded / "score_cer" / "ref.trn").read_text()
    assert "Scored 1 decoded sets; 0 were up to date." in capsys.readouterr().out


def test_score_skips_what_is_up_to_date(decoded, capsys):
    for path in (decoded / "text", decoded.parents[3] / "dump/test_clean/text"):
        os.utime(path, (1_000, 1_000))
    run(decoded)
    (decoded / "score.json").write_text("{}")
    run(decoded)
    assert (decoded / "score.json").read_text() == "{}"
    assert "Scored 0 decoded sets; 1 were up to date." in capsys.readouterr().out
    run(decoded, "--force")
    assert "wer" in json.loads((decoded / "score.json").read_text())


@pytest.mark.parametrize("changed", ["dump/test_clean/text", "hypothesis"])
def test_score_notices_a_changed_text(decoded, changed):
    run(decoded)
    summary = decoded / "score.json"
    summary.write_text("{}")
    os.utime(summary, (1_000, 1_000))
    path = decoded / "text" if changed == "hypothesis" else changed
    other = "dump/test_clean/text" if changed == "hypothesis" else decoded / "text"
    os.utime(path, (2_000, 2_000))
    os.utime(other, (500, 500))
    run(decoded)
    assert "wer" in json.loads(summary.read_text())


def test_incomplete_hypothesis_is_one_clear_line(decoded, capsys):
    (decoded / "text").write_text("u1 HELLO WORLD\n")
    with pytest.raises(SystemExit) as stop:
        run(decoded)
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "1 utterances have no hypothesis: u2." in error
    assert "decode_ctc_greedy/test_clean/text" in error
    assert not (decoded / "score.json").exists()


def test_missing_reference_names_the_path(decoded, capsys):
    with pytest.raises(SystemExit):
        run(decoded, "--dumpdir", "nowhere")
    assert "nowhere/test_clean/text: not found" in capsys.readouterr().err


def test_a_teacher_above_the_limit_stops(decoded, capsys):
    run(decoded, "--wer_max", "75")
    assert "test_clean: WER 75.0 %, at most 75.0 %" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        run(decoded, "--wer_max", "74.9")
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
