"""A training that was killed goes on where it was; two runs do not mix."""

import shutil
import subprocess
import time

import pytest
from killing import assert_equal_parameters, kill

pytestmark = pytest.mark.integration

STUDENT = "student_rnn"


def _start(command, environment, log):
    return subprocess.Popen(
        command, stdout=log, stderr=log, env=environment, start_new_session=True
    )


def _wait_for(found, process=None, seconds=120):
    end = time.monotonic() + seconds
    while not found():
        ended = process is not None and process.poll() is not None
        assert not ended, "the run ended before it could be killed"
        assert time.monotonic() < end, "the run did not get there"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def broken(finished, call, environment, conf, tmp_path_factory):
    """Return a setup whose stages 6, 9 and 10 were each killed after an epoch."""
    root = tmp_path_factory.mktemp("broken")
    here = finished.elsewhere(root, fresh=["exp"])
    here.options["student_asr_config"] = str(conf / f"train_{STUDENT}.yaml")
    here.options["methods"] = "rkd_skd"
    for name in ("stats_teacher", f"stats_{STUDENT}"):
        shutil.copytree(finished.exp / name, here.exp / name)
    command = here.command(stage=6, stop_stage=10, skip_stages="7")
    runs = ("teacher", f"{STUDENT}_rkd_seed1", f"{STUDENT}_rkd_skd_seed1")
    with (here.root / "run.log").open("w") as log:
        for run in runs:
            folder = here.exp / run
            process = _start(command, environment, log)
            text = folder / "train.log"
            _wait_for(
                lambda: text.is_file() and "2/3epoch started" in text.read_text(),
                process,
            )
            kill(process, here.exp)
            assert (folder / "checkpoint.pth").is_file()
            assert not (folder / ".train.done").exists()
            assert not (folder / "3epoch.pth").exists()
    call(command)
    return here


@pytest.mark.parametrize(
    "path",
    [
        "teacher/valid.loss_ctc.ave.pth",
        f"{STUDENT}_rkd_seed1/valid.loss_rkd.best.pth",
        f"{STUDENT}_rkd_skd_seed1/export/model.pth",
    ],
)
def test_killed_and_resumed_equals_unbroken(broken, finished, path):
    assert_equal_parameters(broken.exp / path, finished.exp / path)


def test_each_training_was_resumed_once(broken):
    for run in ("teacher", f"{STUDENT}_rkd_seed1", f"{STUDENT}_rkd_skd_seed1"):
        log = (broken.exp / run / "train.log").read_text()
        assert log.count("The training was resumed using") == 1
        assert log.count("/3epoch started") == 4  # 1, 2 (killed), 2, 3


def test_a_second_run_in_the_same_expdir_is_refused(
    prepared, call, environment, tmp_path
):
    here = prepared.elsewhere(tmp_path, fresh=["exp"])
    command = here.command(stage=5, stop_stage=5)
    with (tmp_path / "first.log").open("w") as log:
        process = _start(command, environment, log)
        text = tmp_path / "first.log"
        try:
            _wait_for(lambda: "Stage 5: " in text.read_text(), process)
            output = call(command, status=1, shell=True)
        finally:
            kill(process, here.exp)
    assert output.count("\n") == 1
    assert f"another run works in {tmp_path}/exp" in output
    assert "Stage 5: " not in output
    # the lock went with it
    output = call(here.command(stage=13, stop_stage=12), shell=True)
    assert "Successfully finished" in output
