"""Students that have some of a brought teacher's tokens, its blocks, or its text."""

import argparse
from pathlib import Path

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask

from espnet_tutornet.experiment.training import fill_frontend
from espnet_tutornet.teacher.tasks import complete_arguments

pytestmark = pytest.mark.integration

FS = 8000
OTHERS = ["%", "Å", "@"]  # that no transcript uses


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, prepared, conf):
    """Return config.yaml and .pth of a teacher that learnt nothing, of more tokens."""
    root = tmp_path_factory.mktemp("brought")
    lines = (prepared.root / "data/token_list/char/tokens.txt").read_text().split("\n")
    tokens = lines[:3] + OTHERS + lines[3:-1]
    found = yaml.safe_load((conf / "train_teacher.yaml").read_text())
    fs = int((prepared.root / "data/fs").read_text())
    found["frontend_conf"] = fill_frontend(found["frontend_conf"], fs)
    found.update(token_list=tokens, token_type="char", normalize="utterance_mvn")
    found = complete_arguments(found)  # as ESPnet dumps them
    torch.manual_seed(0)
    model = ASRTask.build_model(argparse.Namespace(**found))
    (root / "config.yaml").write_text(yaml.safe_dump(found, allow_unicode=True))
    torch.save(model.state_dict(), root / "model.pth")
    return root / "config.yaml", root / "model.pth"


@pytest.fixture(scope="module")
def student(tmp_path_factory, conf):
    """Return the teacher's configuration with one block in place of two."""
    found = yaml.safe_load((conf / "train_teacher.yaml").read_text())
    found["encoder_conf"]["num_blocks"] = 1
    path = tmp_path_factory.mktemp("student") / "train_half.yaml"
    path.write_text(yaml.safe_dump(found))
    return path


@pytest.fixture(scope="module")
def run(prepared, teacher, student, call, tmp_path_factory):
    """Return the setup after all stages for copy_skd with the tokens that are seen."""
    root = tmp_path_factory.mktemp("seen")
    here = prepared.elsewhere(root, copied=["data", "dump"], fresh=["exp"])
    options = dict(
        teacher_asr_train_config=teacher[0],
        teacher_asr_model_file=teacher[1],
        student_asr_config=student,
        student_tokens="seen",
        methods="copy_skd",
        total_epochs=2,
        inference_config="conf/decode_ctc_greedy.yaml",
    )
    output = call(here.command(stage=4, **options))
    return here, output


def test_the_student_has_the_tokens_that_are_seen(run, teacher):
    here, output = run
    tokens = (here.root / "data/token_list/teacher_seen/tokens.txt").read_text()
    tokens = tokens.split("\n")[:-1]
    every = yaml.safe_load(teacher[0].read_text())["token_list"]
    assert tokens == [token for token in every if token not in OTHERS]
    assert f"{len(tokens)} tokens" in output
    exported = here.exp / "half_copy_skd_seed1/export"
    conf = yaml.safe_load((exported / "config.yaml").read_text())
    assert conf["token_list"] == tokens and not conf.get("init_param")
    model = torch.load(exported / "model.pth", weights_only=True)
    assert model["ctc.ctc_lo.bias"].shape == (len(tokens),)


def test_it_begins_as_the_teachers_first_block_and_learns(run, teacher):
    here, _ = run
    folder = here.exp / "half_copy_skd_seed1"
    log = (folder / "train.log").read_text()
    start = here.exp / "starts/half_copy/model.pth"
    assert f"Loading pretrained params from {start}" in log
    assert "2epoch results: [train]" in log and "loss_skd=" in log
    begun = torch.load(start, weights_only=True)
    taught = torch.load(teacher[1], weights_only=True)
    name = "encoder.encoders.0.feed_forward.w_1.weight"
    assert torch.equal(begun[name], taught[name])
    rows = begun["ctc.ctc_lo.weight"]
    assert torch.equal(rows[:3], taught["ctc.ctc_lo.weight"][:3])
    assert torch.equal(rows[3:], taught["ctc.ctc_lo.weight"][3 + len(OTHERS) :])
    assert yaml.safe_load((folder / "train.yaml").read_text())["max_epoch"] == 2


def test_its_row_is_in_the_table(run):
    here, _ = run
    assert "Teacher's blocks, then SKD" in (here.exp / "RESULTS.md").read_text()


def test_a_student_of_another_width_stops_before_it_trains(
    run, teacher, conf, call, student
):
    here, _ = run
    output = call(
        here.command(
            stage=8,
            stop_stage=11,
            teacher_asr_train_config=teacher[0],
            teacher_asr_model_file=teacher[1],
            student_asr_config=conf / "train_student_conformer.yaml",
            student_tokens="seen",
            methods="copy_task",
            total_epochs=2,
        ),
        status=1,
    )
    assert "conv.0.weight: student (8, 1, 3, 3), teacher (16, 1, 3, 3)" in output
    assert not (here.exp / "student_conformer_copy_task_seed1/train.log").exists()


@pytest.fixture(scope="module")
def taught(prepared, teacher, conf, call, tmp_path_factory):
    """Return the setup and the log of a student that learns the teacher's text."""
    here = prepared.elsewhere(
        tmp_path_factory.mktemp("text"), fresh=["data", "dump", "exp"]
    )
    options = dict(
        teacher_asr_train_config=teacher[0],
        teacher_asr_model_file=teacher[1],
        student_asr_config=conf / "train_student_rnn.yaml",
        methods="none",
        total_epochs=1,
        num_labelled=12,
        pseudo_labels="true",
        pseudo_score_min=-1000,
        pseudo_rate_slack=1000,
    )
    return here, options, call(here.command(stop_stage=11, skip_stages=0, **options))


def test_the_teachers_text_is_learnt_as_transcripts(taught):
    """In tokens of the student's own, with the transcripts that there are."""
    here, _, output = taught
    name = "train_clean_with12+train_clean_without12_pseudo"
    texts = (here.exp / "data" / name / "text").read_text().splitlines()
    (line,) = [line for line in output.splitlines() if line.startswith("pseudo text:")]
    taken = int(line.split("taken for ")[1].split()[0])
    assert "of 12 utterances without a transcript" in line
    assert 0 < taken <= 12 and len(texts) == 12 + taken
    conf = yaml.safe_load((here.exp / "student_rnn_none_seed1/config.yaml").read_text())
    assert [str(here.exp / "data" / name / "text"), "text", "text"] in (
        conf["train_data_path_and_name_and_type"]
    )
    assert not set(OTHERS) & set(conf["token_list"])
    parts = sorted(
        here.exp.glob("teacher/decode_*/pseudo/*/*/logdir/1best_recog/score")
    )
    assert len(parts) == 1 and len(parts[0].read_text().splitlines()) == 12


def test_text_of_others_is_taken_and_unknown_utterances_are_named(taught, call):
    here, options, _ = taught
    written = Path(here.root, "written")
    scp = (
        here.root / "dump/train_clean_with12+train_clean_without12/wav.scp"
    ).read_text()
    ids = [line.split()[0] for line in scp.splitlines()]
    written.write_text("".join(f"{utt_id} ONE\n" for utt_id in ids) + "nobody ONE\n")
    command = here.command(
        stage=8,
        stop_stage=8,
        **{**options, "pseudo_labels": "", "pseudo_text": written},
    )
    output = call(command, status=1)
    assert "that are neither in the training sets nor" in output and "nobody" in output
    written.write_text("".join(f"{utt_id} ONE\n" for utt_id in ids))
    assert "taken for 12 of 12 utterances" in call(command)
