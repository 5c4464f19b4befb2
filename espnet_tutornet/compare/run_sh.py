"""Call a recipe's run.sh as a process that does not outlive its caller."""

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Mapping


def command_of(
    run_sh: Path, options: Mapping[str, str], defaults: Mapping[str, str]
) -> List[str]:
    """Return the command line: the options that differ from the defaults.

    Example:
        >>> command_of(Path("run.sh"), {"nj": "4", "fs": "auto"}, {"fs": "auto"})
        ['run.sh', '--nj', '4']
    """
    words = [str(run_sh)]
    for name, value in options.items():
        if defaults.get(name) != value:
            words += [f"--{name}", value]
    return words


@contextmanager
def start(
    command: List[str], log: Path, environment: Mapping[str, str] = os.environ
) -> Iterator[subprocess.Popen]:
    """Start a command in a process group of its own, which ends with the block.

    Args:
        command: the command line.
        log: where its output goes, appended.
        environment: its variables.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as f:
        process = subprocess.Popen(
            command,
            stdout=f,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
