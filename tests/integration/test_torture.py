"""A run that is killed at random moments ends equal, to the bit, without debris."""

import random
import subprocess
import time

import pytest
from killing import assert_equal_parameters, kill, wait_until_free

pytestmark = pytest.mark.integration

SEED = 20
KILLED = (3, 4, 5, 6, 6, 8, 9, 9, 10, 11)  # stages, each at a random moment
LONGEST = 15.0  # seconds from the beginning of a stage to a kill
STUDENT = "student_rnn"
RUNS = ("rkd", "rkd_skd", "skd")


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
            kill(process, here.exp)
        wait_until_free(here.exp)
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
    assert_equal_parameters(killed.exp / path, finished.exp / path)


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
