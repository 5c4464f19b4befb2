"""A process that has ESPnet loaded and forks itself for each command it is sent.

Loading ESPnet takes 7-8 s, at every launch of a recipe. A comparison has hundreds of
them. Its fork server loads it once; a command sent to it runs in the sender's
directory and environment, under its limits, and writes where the sender writes.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterator, List, Optional

from espnet_tutornet.jobs.lifetime import die_with

VARIABLE = "TUTORNET_FORK_SERVER"  # of the environment: the server's socket
HEADER_BYTES = 8  # before a message: its length
ACCEPTED = b"!"
LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]


# path.sh gives the environment of the recipe's own launches: threads of BLAS, locale
START = '. ./path.sh; exec "${python}" -m espnet_tutornet.bin.fork_server "$0"'


@contextmanager
def start_fork_server(recipe: Path, python: str) -> Iterator[str]:
    """Start a server, which ends with the block; yield the path of its socket.

    Args:
        recipe: directory of run.sh and path.sh.
        python: the interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="tutornet-") as directory:
        path = str(Path(directory, "socket"))
        server = subprocess.Popen(
            ["bash", "-c", START, path],
            cwd=recipe,
            env={**os.environ, "python": python},
            start_new_session=True,
        )
        try:
            yield path
        finally:
            server.terminate()
            server.wait()


def serve(path: str, load: Callable[[], None], run: Callable[[List[str]], None]):
    """Run commands until the process is ended.

    Args:
        path: of the socket; clients may connect from the start.
        load: imports what the commands need.
        run: a command, given its arguments.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        die_with(os.getppid())
        load()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
        server = os.getpid()
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                die_with(server)
                _answer(connection, run)
            connection.close()


def _answer(connection: socket.socket, run: Callable[[List[str]], None]) -> None:
    """Run the command of one client in this process, and end it."""
    data, outputs, *_ = socket.recv_fds(connection, HEADER_BYTES, 2)
    size = int.from_bytes(data, "big")
    with connection.makefile("rb") as f:
        request = json.loads(f.read(size))
    _end_with(connection, outputs)
    connection.sendall(ACCEPTED)
    for descriptor, number in zip(outputs, (1, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for name, limits in request["limits"].items():
        resource.setrlimit(getattr(resource, name), limits)
    status = 0
    try:
        run(request["args"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([status & 255]))
    os._exit(status)


def _end_with(connection: socket.socket, outputs: List[int]) -> None:
    """Have a child watch the client, and end this process when it is gone."""
    runner = os.getpid()
    if os.fork():
        return
    for descriptor in outputs:
        os.close(descriptor)
    die_with(runner)
    with suppress(ConnectionResetError):  # it ended before it read that this accepted
        connection.recv(1)  # the client sends no more: this is its end
    os.kill(runner, signal.SIGTERM)
    os._exit(0)


def send_request(connection: socket.socket, request: dict, outputs: List[int]) -> None:
    """Send a command, with what it runs in, and the two descriptors it writes to."""
    data = json.dumps(request).encode()
    size = len(data).to_bytes(HEADER_BYTES, "big")
    socket.send_fds(connection, [size], outputs)
    connection.sendall(data)


def hand_over(args: List[str]) -> Optional[int]:
    """Have the server of this environment run a command, and wait for its end.

    The command ends when this process does.

    Returns:
        The exit status; None where there is no server.

    Raises:
        RuntimeError: the server ended, or the process that ran the command.
    """
    environment = dict(os.environ)
    path = environment.pop(VARIABLE, "")
    if not path:
        return None
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in LIMITS}
    request = dict(args=args, directory=os.getcwd(), environment=environment)
    request["limits"] = limits
    sys.stdout.flush()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
            send_request(connection, request, [1, 2])
            accepted = connection.recv(1)
        except OSError:
            accepted = b""
        if not accepted:
            return None  # this is another machine, or the server has ended
        status = connection.recv(1)
    if not status:
        raise RuntimeError(
            f"the process that ran {' '.join(args)} was killed. Run the stage again: "
            "what is done stays done."
        )
    return status[0]
