import json

import pytest
import yaml

from espnet_tutornet.bin.model_card import main
from espnet_tutornet.scoring.score import COLUMNS

RUN, TEACHER = "small_skd_seed1", "big"
DATA = [["/home/me/dump/train_clean/wav.scp", "speech", "sound"]]


def add_run(expdir, name, method, parameters):
    run = expdir / name
    decoded = run / "decode_ctc_greedy/test_clean"
    decoded.mkdir(parents=True)
    counts = dict(zip(COLUMNS, (10, 200, 190, 6, 4, 2, 12, 5)))
    (decoded / "score.json").write_text(json.dumps({"wer": counts, "cer": counts}))
    info = {"student": "small", "teacher": TEACHER, "method": method, "seed": 1}
    (run / "run.yaml").write_text(yaml.safe_dump({**info, "total_epochs": 20}))
    measured = {"parameters": parameters, "rtf": 0.002, "macs_per_second": 1e6}
    measured |= {"size_bytes": 4 * parameters, "rtf_int8": 0.001}
    (run / "measure.json").write_text(json.dumps(measured))
    return run


@pytest.fixture
def command(tmp_path):
    """Return the command line for a student and its teacher."""
    run = add_run(tmp_path / "exp", RUN, "skd", 20_000)
    add_run(tmp_path / "exp", TEACHER, "teacher", 500_000)
    (run / "export").mkdir()
    conf = {"encoder": "rnn", "token_list": ["a"], "token_type": "char"}
    (run / "export/config.yaml").write_text(yaml.safe_dump(conf))
    trained = {f"{m}_data_path_and_name_and_type": DATA for m in ("train", "valid")}
    (run / "config.yaml").write_text(yaml.safe_dump({"max_epoch": 20, **trained}))
    decoding = tmp_path / "decode_ctc_greedy.yaml"
    decoding.write_text("beam_size: 1\n")
    words = ["--expdir", tmp_path / "exp", "--inference_config", decoding]
    return [*map(str, words), "--runs", RUN]


@pytest.fixture
def card(tmp_path):
    return tmp_path / "exp" / RUN / "MODEL_CARD.md"


def test_the_card_tells_what_was_measured_and_scored(command, card, capsys):
    main(command)
    text = card.read_text()
    assert text.startswith(f"# {RUN}\n")
    # 500 / 20 parameters; 6 + 4 + 2 errors in 200 words
    assert "| 20.0 k       | 500 k           | 25.0    |" in text
    assert "| test_clean | 6.0   | 6.0   | 6.0             | 6.0             |" in text
    assert "--beam_size 1" in text and "/home/me" not in text
    assert "1 of 1 model cards written anew" in capsys.readouterr().out


def test_a_card_that_says_the_same_is_not_written_again(command, card, capsys):
    main(command)
    before = card.stat().st_mtime_ns
    main(command)
    assert card.stat().st_mtime_ns == before
    assert "0 of 1 model cards written anew" in capsys.readouterr().out


def test_a_new_measurement_renews_the_card(command, card, tmp_path):
    main(command)
    measure = tmp_path / "exp" / RUN / "measure.json"
    changed = {**json.loads(measure.read_text()), "rtf_int8": 0.0005}
    measure.write_text(json.dumps(changed))
    main(command)
    assert "| RTF, int8              | 0.0005 " in card.read_text()


def test_scores_of_chunks_are_told_from_those_of_whole_utterances(command, card):
    main([*command, "--use_streaming", "true", "--sim_chunk_length", "640"])
    assert "asr_inference_streaming --ngpu 0 --beam_size 1 --sim_chunk_length 640" in (
        card.read_text()
    )
    main([*command, "--use_streaming", "false", "--sim_chunk_length", "640"])
    assert "sim_chunk_length" not in card.read_text()


def fails(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


@pytest.mark.parametrize("name", [RUN, TEACHER])
def test_a_run_without_scores_is_named(command, card, tmp_path, capsys, name):
    (tmp_path / f"exp/{name}/decode_ctc_greedy/test_clean/score.json").unlink()
    message = fails(command, capsys)
    assert f"{tmp_path}/exp/{name}: no score.json" in message
    assert "stages 12 (decoding) and 13 (scoring)" in message
    assert not card.exists()


def test_scores_of_another_decoding_are_not_taken(command, tmp_path, capsys):
    other = tmp_path / "decode_beam.yaml"
    other.write_text("beam_size: 10\n")
    message = fails([*command, "--inference_config", str(other)], capsys)
    assert "no score.json of this --inference_config" in message


def test_a_measurement_of_before_the_card_is_refused(command, tmp_path, capsys):
    measure = tmp_path / "exp" / RUN / "measure.json"
    measure.write_text('{"parameters": 20000, "rtf": 0.002}')
    assert f"{RUN}: no measure.json with macs_per_second" in fails(command, capsys)
