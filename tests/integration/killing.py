"""Kill runs, and compare what became of them."""

import fcntl
import os
import signal
import time

import torch


def kill(process, exp):
    """Kill a run and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until_free(exp)


def wait_until_free(exp):
    """Wait until the last process of a run has let go of the lock."""
    end = time.monotonic() + 60
    with (exp / ".lock").open("a") as lock:
        while not _locks(lock):
            assert time.monotonic() < end, "a process outlived the run"
            time.sleep(0.005)


def _locks(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def assert_equal_parameters(ours, theirs):
    """Assert that two .pth hold the same parameters, to the bit."""
    ours, theirs = (torch.load(path, weights_only=True) for path in (ours, theirs))
    assert list(ours) == list(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
