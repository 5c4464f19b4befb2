import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

from espnet_tutornet.jobs.fork_server import VARIABLE, hand_over, send_request

SERVER = """
import os, sys, time
from espnet_tutornet.jobs.fork_server import serve

def load():
    print("loaded", file=open("log", "a"))

def run(args):
    print("runs", *args, os.getcwd(), os.environ.get("COLOUR"), flush=True)
    assert "OF_THE_SERVER" not in os.environ
    print("loads at", os.environ.get("TUTORNET_FORK_SERVER"), file=sys.stderr)
    if args == ["fail"]:
        raise KeyError("the cause")
    if args == ["sleep"]:
        time.sleep(60)
    if args == ["write"]:
        with open("large", "w") as f:
            f.write(" " * 2000)
    sys.exit(int(args[0]) if args[0].isdigit() else None)

serve(sys.argv[1], load, run)
"""
CLIENT = """
import sys
from espnet_tutornet.jobs.fork_server import hand_over
sys.exit(hand_over(sys.argv[1:]))
"""


@pytest.fixture
def server(tmp_path, monkeypatch):
    path = str(tmp_path / "s")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, path],
        cwd=tmp_path,
        env={**os.environ, "OF_THE_SERVER": "1"},
    )
    wait_for(lambda: os.path.exists(path))
    monkeypatch.setenv(VARIABLE, path)
    yield process
    process.kill()
    process.wait()


def wait_for(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("nothing came")


def start_client(args, where, preexec_fn=None, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, *args],
        cwd=where,
        env={**os.environ, **environment},
        preexec_fn=preexec_fn,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_command_runs_as_if_the_sender_ran_it(server, tmp_path):
    (tmp_path / "here").mkdir()
    clients = [
        start_client(["7"], tmp_path / "here", COLOUR="red"),
        start_client(["x"], tmp_path, COLOUR="blue"),
    ]
    found = [(*client.communicate(timeout=30), client.returncode) for client in clients]
    assert found[0] == (f"runs 7 {tmp_path}/here red\n", "loads at None\n", 7)
    assert found[1] == (f"runs x {tmp_path} blue\n", "loads at None\n", 0)
    assert (tmp_path / "log").read_text() == "loaded\n"  # once


def test_a_defect_keeps_its_traceback(server, tmp_path):
    client = start_client(["fail"], tmp_path)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 1 and "KeyError: 'the cause'" in errors


def test_the_limits_of_the_sender_hold(server, tmp_path):
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1000, 1000))
    client = start_client(["write"], tmp_path, preexec_fn=limit)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 1 and "File too large" in errors
    assert start_client(["write"], tmp_path).wait(timeout=30) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_ending_the_sender_ends_what_it_sent(server, tmp_path, how):
    client = start_client(["sleep"], tmp_path)
    client.stdout.readline()
    (child,) = children_of(server.pid)
    client.send_signal(how)
    assert client.wait(timeout=30) == -how
    wait_for(lambda: not os.path.exists(f"/proc/{child}"))


def test_a_sender_that_ends_before_it_reads_ends_what_it_sent(server, tmp_path):
    request = dict(args=["sleep"], directory=str(tmp_path), environment={}, limits={})
    with socket.socket(socket.AF_UNIX) as client, open(tmp_path / "out", "w") as out:
        client.connect(os.environ[VARIABLE])
        send_request(client, request, [out.fileno(), out.fileno()])
        wait_for(lambda: (tmp_path / "out").stat().st_size)  # it was accepted, and runs
        (child,) = children_of(server.pid)
    wait_for(lambda: not os.path.exists(f"/proc/{child}"))


def test_a_command_that_is_killed_is_said_so(server, tmp_path):
    client = start_client(["sleep"], tmp_path)
    client.stdout.readline()
    (child,) = children_of(server.pid)
    os.kill(child, signal.SIGKILL)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 1 and "that ran sleep was killed" in errors


def test_commands_end_with_the_server(server, tmp_path):
    client = start_client(["sleep"], tmp_path)
    client.stdout.readline()
    (child,) = children_of(server.pid)
    server.kill()
    wait_for(lambda: not os.path.exists(f"/proc/{child}"))
    assert client.wait(timeout=30) == 1


def test_a_server_that_does_not_load_has_nothing_handed_over(tmp_path, monkeypatch):
    path = tmp_path / "s"
    loads = 'print("loaded", file=open("log", "a"))'
    broken = SERVER.replace(loads, 'time.sleep(1); raise ImportError("no")')
    process = subprocess.Popen(
        [sys.executable, "-c", broken, str(path)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_for(path.exists)
    monkeypatch.setenv(VARIABLE, str(path))
    assert hand_over(["x"]) is None  # connected while it loaded
    assert process.wait(timeout=30) == 1
    assert hand_over(["x"]) is None


def children_of(process):
    with open(f"/proc/{process}/task/{process}/children") as f:
        return list(map(int, f.read().split()))


@pytest.mark.parametrize("path", ["", "nowhere", "old"])
def test_without_a_server_nothing_is_handed_over(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").touch()  # of a server that has ended
    monkeypatch.setenv(VARIABLE, path)
    assert hand_over(["x"]) is None
    monkeypatch.delenv(VARIABLE)
    assert hand_over(["x"]) is None
