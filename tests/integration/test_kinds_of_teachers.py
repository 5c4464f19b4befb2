"""Teachers of other kinds go through all stages of the recipe."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "teacher"))

from published import publish  # noqa: E402

pytestmark = pytest.mark.integration


@pytest.fixture
def run(prepared, call, conf, tmp_path, monkeypatch):
    """Return run(kind, method, **options): the setup and the log of all stages."""
    lines = (prepared.root / "data/token_list/char/tokens.txt").read_text().split()
    fs = int((prepared.root / "data/fs").read_text())
    here = prepared.elsewhere(tmp_path, copied=["data", "dump"], fresh=["exp"])

    def run_stages(kind, method, status=0, **options):
        (tmp_path / "theirs").mkdir()
        with monkeypatch.context() as patch:
            archive, _ = publish(kind, tmp_path / "theirs", patch, fs, lines[2:-1])
        words = dict(
            teacher=archive,
            student_asr_config=conf / "train_student_rnn.yaml",
            methods=method,
            conf_dir="studies/forms",
            total_epochs=2,
            rkd_epochs=1,
            hidden_form="two_byte",
        )
        return here, call(here.command(stage=4, **{**words, **options}), status)

    return run_stages


@pytest.mark.parametrize("kind", ["no_ctc", "transducer", "asr_transducer"])
def test_a_teacher_without_ctc_goes_through_all_stages(run, kind):
    here, output = run(kind, "rkdnone_task")
    assert "the teacher has no CTC branch: its hidden states alone" in output
    assert "keeps no posteriors: their WER is not compared" in output
    for row in ("Teacher", "rkdnone"):
        assert row in (here.exp / "RESULTS.md").read_text()
    name = "student_rnn_rkdnone_task_seed1"
    assert (here.exp / name / f"{name}.zip").is_file()


def test_a_method_that_learns_posteriors_wants_them(run):
    _, output = run("no_ctc", "skd", status=1)
    assert "--methods: skd learns the teacher's CTC posteriors, but it has" in output


def test_owsm_ctc_goes_through_all_stages(run):
    here, output = run("owsm_ctc", "skd", teacher_lang="eng", unk_max=100)
    assert "of the posteriors kept" in output
    name = "student_rnn_skd_seed1"
    assert (here.exp / name / f"{name}.zip").is_file()


def test_a_language_that_owsm_ctc_does_not_know(run):
    _, output = run("owsm_ctc", "skd", status=1, teacher_lang="fra")
    assert "--teacher_lang must be one of nolang, eng, deu, got fra" in output
