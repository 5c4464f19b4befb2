"""A run that is killed at random moments ends equal, to the bit, without debris."""

import fcntl
import os
import random
import signal
import subprocess
import time

import pytest
import torch

pytestmark = pytest.mark.integration

SEED = 20
KILLED = (3, 4, 5, 6, 6, 8, 9, 9, 10, 11)  # stages, each at a random moment
LONGEST = 15.0  # seconds from the beginning of a stage to a kill
STUDENT = "student_rnn"
RUNS = ("rkd", "rkd_skd", "skd")


def _wait_for_the_lock(exp):
    """Wait until the last process has let go of the lock."""
    with (exp / ".lock").open("a") as lock:
        end = time.monotonic() + 60
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                assert time.monotonic() < end, "a process outlived the run"
                time.sleep(0.02)


@pytest.fixture(scope="module")
def killed(finished, call, environment, conf, tmp_path_factory):
    """Return a setup whose run was killed, all its processes, at random moments."""
    here = finished.elsewhere(
        tmp_path_factory.mktemp("killed"), copied=["data", "dump"]
    )
    here = here.elsewhere(here.root, fresh=["exp"])
    here.options["student_asr_config"] = str(conf / f"train_{STUDENT}.yaml")
    here.options["methods"] = "skd rkd_skd"
    command = here.command(stage=3, skip_stages="12 13 14")
    rng = random.Random(SEED)
    for number, stage in enumerate(KILLED):
        log = here.root / f"run{number}.log"
        with log.open("w") as f:
            process = subprocess.Popen(
                command, stdout=f, stderr=f, env=environment, start_new_session=True
            )
        while f"Stage {stage}: " not in log.read_text() and process.poll() is None:
            time.sleep(0.05)
        try:
            process.wait(rng.uniform(0, LONGEST))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _wait_for_the_lock(here.exp)
        assert "error:" not in log.read_text(), log.read_text()
    call(command, shell=True)
    return here


@pytest.mark.parametrize(
    "path",
    [
        "teacher/valid.loss_ctc.ave.pth",
        *(f"{STUDENT}_{run}_seed1/export/model.pth" for run in RUNS),
    ],
)
def test_a_killed_run_ends_equal_to_the_bit(killed, finished, path):
    ours, theirs = (
        torch.load(setup.exp / path, weights_only=True) for setup in (killed, finished)
    )
    assert list(ours) == list(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def test_the_cache_of_a_killed_run_is_that_of_an_unbroken_one(killed, finished):
    ours, theirs = (setup.exp / "teacher/outputs" for setup in (killed, finished))
    names = [sorted(p.name for p in place.rglob("*.ark")) for place in (ours, theirs)]
    assert names[0] == names[1] != []
    for path in ours.rglob("*.ark"):
        other = theirs / path.relative_to(ours)
        assert path.read_bytes() == other.read_bytes(), path


def test_no_temporary_file_is_left(killed):
    names = [path.name for path in killed.root.rglob("*")]
    left = [n for n in names if ".tmp" in n or n.startswith((".jobs", ".pack"))]
    assert not left
