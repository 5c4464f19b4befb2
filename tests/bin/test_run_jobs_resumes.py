"""A job goes on from its own checkpoint, and never from another job's."""

import subprocess
import sys

import pytest

from espnet_tutornet.jobs.job import read_jobs


@pytest.fixture
def begin(tmp_path):
    """Return begin(argument): start the job of that command; is the checkpoint kept?"""
    checkpoint = tmp_path / "checkpoint.pth"

    def run(argument, seed="1", forgotten=False):
        (tmp_path / "conf.yaml").write_text(f"seed: {seed}\n")
        jobs = tmp_path / "jobs"
        jobs.write_text(
            f"done={tmp_path}/.train.done log={tmp_path}/train.log "
            f"depends={tmp_path}/conf.yaml resumes={checkpoint} -- module {argument}\n"
        )
        (job,) = read_jobs(jobs)
        checkpoint.touch()
        if forgotten:
            job.forget()
        job.begin(job.stamp())
        return checkpoint.exists()

    return run


def test_a_killed_job_keeps_its_checkpoint(begin):
    begin("a")
    assert begin("a")


def test_another_command_or_input_starts_afresh(begin):
    begin("a")
    assert not begin("b")
    assert not begin("b", seed="2")
    assert begin("b", seed="2")


def test_going_back_does_not_take_up_what_came_between(begin):
    begin("a")
    begin("b")
    assert not begin("a")


def test_a_checkpoint_of_unknown_origin_is_not_taken_up(begin):
    assert not begin("a")


def test_a_job_that_is_forgotten_starts_afresh(begin, tmp_path):
    begin("a")
    (tmp_path / ".train.done").touch()
    assert not begin("a", forgotten=True)
    assert begin("a")


def test_a_job_that_begins_is_not_done(begin, tmp_path):
    (tmp_path / ".train.done").touch()
    begin("a")
    assert not (tmp_path / ".train.done").exists()


WRITER = """
import os, signal, sys
from espnet_tutornet.utils.files import atomic_write

with atomic_write(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("argument", ["a", "b"])
def test_a_job_that_begins_again_removes_temporary_files(begin, tmp_path, argument):
    """A training killed while it saved left half a checkpoint behind, for ever."""
    begin("a")
    subprocess.run([sys.executable, "-c", WRITER, str(tmp_path / "6epoch.pth")])
    assert [path for path in tmp_path.glob(".6epoch.pth.*.tmp")]
    begin(argument)
    assert not [path for path in tmp_path.glob(".6epoch.pth.*")]
