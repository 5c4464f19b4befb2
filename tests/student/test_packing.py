import json
import zipfile

import pytest
import yaml

from espnet_tutornet.bin.pack_student import main
from espnet_tutornet.scoring.score import COLUMNS
from espnet_tutornet.student.packing import write_card

RUN, TEACHER = "small_skd_seed1", "big"
DATA = [["/home/me/dump/train_clean/wav.scp", "speech", "sound"]]


def add_run(expdir, name, method, parameters):
    run = expdir / name
    decoded = run / "decode_ctc_bs1/test_clean"
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
def student(tmp_path):
    """Return a student beside its teacher, and its decoding."""
    run = add_run(tmp_path / "exp", RUN, "skd", 20_000)
    add_run(tmp_path / "exp", TEACHER, "teacher", 500_000)
    (run / "export").mkdir()
    conf = {"encoder": "rnn", "token_list": ["a"], "token_type": "char"}
    (run / "export/config.yaml").write_text(yaml.safe_dump(conf))
    trained = {f"{m}_data_path_and_name_and_type": DATA for m in ("train", "valid")}
    (run / "config.yaml").write_text(yaml.safe_dump({"max_epoch": 20, **trained}))
    decoding = tmp_path / "decode_ctc_bs1.yaml"
    decoding.write_text("beam_size: 1\n")
    return run, decoding


@pytest.fixture
def card(tmp_path):
    return tmp_path / "exp" / RUN / "MODEL_CARD.md"


def test_the_card_tells_what_was_measured_and_scored(student, card):
    write_card(*student)
    text = card.read_text()
    assert text.startswith(f"# {RUN}\n")
    # 500 / 20 parameters; 6 + 4 + 2 errors in 200 words
    assert "| 20.0 k       | 500 k           | 25.0    |" in text
    assert "| test_clean | 6.0   | 6.0   | 6.0             | 6.0             |" in text
    assert "--beam_size 1" in text and "/home/me" not in text


def test_a_new_measurement_renews_the_card(student, card, tmp_path):
    write_card(*student)
    measure = tmp_path / "exp" / RUN / "measure.json"
    changed = {**json.loads(measure.read_text()), "rtf_int8": 0.0005}
    measure.write_text(json.dumps(changed))
    write_card(*student)
    assert "| RTF, int8              | 0.0005 " in card.read_text()


def test_scores_of_chunks_are_told_from_those_of_whole_utterances(student, card):
    write_card(*student, 640)
    assert "asr_inference_streaming --ngpu 0 --beam_size 1 --sim_chunk_length 640" in (
        card.read_text()
    )
    write_card(*student)
    assert "sim_chunk_length" not in card.read_text()


@pytest.mark.parametrize("name", [RUN, TEACHER])
def test_a_run_without_scores_is_named(student, card, tmp_path, name):
    (tmp_path / f"exp/{name}/decode_ctc_bs1/test_clean/score.json").unlink()
    message = f"{tmp_path}/exp/{name}: no score.json .* 12 .decoding. and 13 .scoring"
    with pytest.raises(FileNotFoundError, match=message):
        write_card(*student)
    assert not card.exists()


def test_scores_of_another_decoding_are_not_taken(student, tmp_path):
    other = tmp_path / "decode_beam.yaml"
    other.write_text("beam_size: 10\n")
    with pytest.raises(FileNotFoundError, match="of this --inference_config"):
        write_card(student[0], other)


def test_a_measurement_of_before_the_card_is_refused(student, tmp_path):
    measure = tmp_path / "exp" / RUN / "measure.json"
    measure.write_text('{"parameters": 20000, "rtf": 0.002}')
    with pytest.raises(
        FileNotFoundError, match=f"{RUN}: no measure.json with macs_per_second"
    ):
        write_card(*student)


def test_packing_packs_the_card_along(student, tmp_path):
    run, decoding = student
    (run / "export/model.pth").write_bytes(b"parameters")
    main(["--expdir", str(run), "--inference_config", str(decoding)])
    with zipfile.ZipFile(run / f"{RUN}.zip") as packed:
        assert packed.read("MODEL_CARD.md").decode().startswith(f"# {RUN}")
