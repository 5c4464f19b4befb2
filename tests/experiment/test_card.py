from dataclasses import replace

import pytest
import yaml

from espnet_tutornet.experiment.card import format_card, format_count
from espnet_tutornet.experiment.results import Run
from espnet_tutornet.scoring.score import COLUMNS

DECODING = {"beam_size": 1, "ctc_weight": 1.0}


def scores(wer, cer):
    def counts(errors):
        return dict(zip(COLUMNS, (50, 1000, 1000 - errors, errors, 0, 0, errors, 25)))

    return {"test_clean": {"wer": counts(wer), "cer": counts(cer)}}


TEACHER = Run(
    *("big", "big", "big", "teacher", 0, 25, "config", "ctc_greedy"),
    parameters=2_000_000,
    rtf=0.0055,
    macs_per_second=108.2e6,
    size_bytes=8_000_000,
    rtf_int8=0.0033,
    scores=scores(40, 12),
)
STUDENT = Run(
    *("small_rkd_skd_seed3", "small", "big", "rkd_skd", 3, 20, "train_small"),
    *("ctc_greedy",),
    parameters=50_000,
    rtf=0.0011,
    macs_per_second=5.41e6,
    size_bytes=214_400,
    rtf_int8=0.0010,
    scores=scores(76, 24),
)


@pytest.fixture
def rundir(tmp_path):
    """Return a directory of what the card reads of a training."""
    rundir = tmp_path / "private" / STUDENT.name
    (rundir / "export").mkdir(parents=True)
    streams = {
        f"{mode}_data_path_and_name_and_type": [
            [f"{tmp_path}/dump/{name}/wav.scp", "speech", "sound"],
            [f"{tmp_path}/dump/{name}/text", "text", "text"],
        ]
        for mode, name in (("train", "train_clean_sp"), ("valid", "dev_clean"))
    }
    (rundir / "config.yaml").write_text(yaml.safe_dump({"max_epoch": 16, **streams}))
    export(rundir, encoder="conformer")
    return rundir


def export(rundir, **changes):
    conf = {"token_list": ["<blank>", "A", "B"], "token_type": "char", **changes}
    conf["frontend_conf"] = {"fs": 8000}
    (rundir / "export/config.yaml").write_text(yaml.safe_dump(conf))


def cells(card):
    """Return title -> further cells of every row of its tables."""
    rows = [line.strip("| ").split("|") for line in card.splitlines() if "|" in line]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_costs_stand_beside_the_teacher_s(rundir):
    rows = cells(format_card(STUDENT, TEACHER, rundir, DECODING))
    assert rows["Parameters"] == ["50.0 k", "2.00 M", "40.0"]
    assert rows["MACs a second of audio"] == ["5.41 M", "108 M", "20.0"]
    assert rows["Size on disk, float32"] == ["214 kB", "8.00 MB", "37.3"]
    assert rows["RTF, float32"] == ["0.0011", "0.0055", "5.0"]
    assert rows["RTF, int8"] == ["0.0010", "0.0033", "3.3"]
    assert rows["test_clean"] == ["7.6", "2.4", "4.0", "1.2"]


def test_what_was_trained_on_goes_by_name_alone(rundir, tmp_path):
    card = format_card(STUDENT, TEACHER, rundir, DECODING)
    lines = card.splitlines()
    assert lines[0] == "# small_rkd_skd_seed3"
    assert "- Method: RKD, then SKD" in lines
    assert "- Epochs: 4 of RKD, then 16" in lines
    assert "- Training data: `train_clean_sp`; dev set `dev_clean`" in lines
    assert "- Configuration: `train_small`, seed 3" in lines
    assert "encoder `conformer`,\n3 tokens (char), audio at 8000 Hz." in card
    assert "learned from `big`" in card
    assert "As that of the training data and teacher allow." in lines
    assert str(tmp_path) not in card and "/private" not in card


def test_the_command_is_that_of_stock_espnet_with_the_options_of_the_scores(rundir):
    card = format_card(STUDENT, TEACHER, rundir, DECODING)
    command = "python -m espnet2.bin.asr_inference --ngpu 0 --beam_size 1 "
    assert command + "--ctc_weight 1.0 \\\n" in card
    assert "For int8 add `--quantize_asr_model true`." in card


def test_scores_of_the_best_path_are_said_so_and_stock_espnet_gets_what_it_knows(
    rundir,
):
    card = format_card(STUDENT, TEACHER, rundir, {"search": "best_path"})
    assert "In percent, by CTC's best path" in card
    assert "espnet2.bin.asr_inference --ngpu 0 --beam_size 1 --ctc_weight 1.0" in card
    assert "In percent, decoded as below." in format_card(
        STUDENT, TEACHER, rundir, DECODING
    )


def test_a_student_that_was_decoded_in_chunks_says_how(rundir):
    decoding = {**DECODING, "sim_chunk_length": 640}
    card = format_card(STUDENT, TEACHER, rundir, decoding)
    assert "python -m espnet2.bin.asr_inference_streaming --ngpu 0 " in card
    assert "--sim_chunk_length 640 \\\n" in card
    assert "For int8 add" not in card  # it has no such option


def test_an_encoder_of_this_package_asks_for_its_command(rundir):
    export(rundir, encoder="jasper", espnet_tutornet="Install it.")
    card = format_card(STUDENT, TEACHER, rundir, DECODING)
    assert "python -m espnet_tutornet.bin.asr_inference" in card
    assert "encoder `jasper`," in card and "espnet2.bin" not in card


def test_a_transducer_asks_for_its_command_and_its_own_search(rundir):
    export(rundir, encoder="rnn", decoder="transducer")
    card = format_card(STUDENT, TEACHER, rundir, {"search": "best_path"})
    assert "python -m espnet_tutornet.bin.asr_inference" in card
    assert "In percent, decoded as below." in card


def test_a_student_without_distillation_says_so(rundir):
    run = replace(STUDENT, method="none", total_epochs=16)
    card = format_card(run, TEACHER, rundir, DECODING)
    assert "Trained without distillation; `big` is here to compare with." in card
    assert "- Epochs: 16\n" in card and "learned from" not in card


def test_what_is_not_known_is_a_dash(rundir):
    teacher = replace(TEACHER, rtf_int8=None, scores={})
    rows = cells(format_card(STUDENT, teacher, rundir, DECODING))
    assert rows["RTF, int8"] == ["0.0010", "-", "-"]
    assert rows["test_clean"] == ["7.6", "2.4", "-", "-"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_run_that_is_not_measured_is_refused(rundir, which):
    pair = [STUDENT, TEACHER]
    pair[which] = replace(pair[which], macs_per_second=None)
    name = f"{pair[which].name}: no measure.json with macs_per_second. Run stage 13"
    with pytest.raises(FileNotFoundError, match=name):
        format_card(*pair, rundir, DECODING)


def test_a_student_that_is_not_exported_is_refused(rundir):
    (rundir / "export/config.yaml").unlink()
    with pytest.raises(FileNotFoundError, match="export/config.yaml: .*stage 10 or 11"):
        format_card(STUDENT, TEACHER, rundir, DECODING)


@pytest.mark.parametrize(
    "count, shown",
    [(0, "0 "), (999, "999 "), (1000, "1.00 k"), (41083, "41.1 k"), (9.96e6, "9.96 M")]
    + [(116e6, "116 M"), (2.34e9, "2.34 G"), (1.5e12, "1500 G")],
)
def test_counts_have_three_digits(count, shown):
    assert format_count(count) == shown
