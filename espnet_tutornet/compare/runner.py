"""Run experiments in processes that have ESPnet loaded, and do not outlive the caller.

Loading ESPnet takes 7-8 s, and a comparison has hundreds of launches. A server process
loads it once, and is forked for each experiment. With GPUs each job loads it by itself:
CUDA cannot be used in a fork of a process that asked for it, as ESPnet does.
"""

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import traceback
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Iterator, List

from espnet_tutornet.experiment.options import Options
from espnet_tutornet.experiment.stages import Stages
from espnet_tutornet.jobs.lifetime import die_with
from espnet_tutornet.utils.command import is_foreseen

PRELOAD = "espnet_tutornet.jobs.preload"  # imports what the jobs need
# variables of the recipe: threads of BLAS, locale, cluster
SOURCE = '. ./db.sh; . ./cmd.sh; . ./path.sh --python "$0"; env -0'


class Runner:
    """Run experiments of the recipe in the working directory, one after the other."""

    def __init__(self) -> None:
        done = subprocess.run(
            ["bash", "-euc", SOURCE, sys.executable], stdout=subprocess.PIPE, check=True
        )
        for entry in done.stdout.decode().split("\0"):
            name, equals, value = entry.partition("=")
            if equals:
                os.environ[name] = value

    @contextmanager
    def start(self, options: Options, log: Path) -> Iterator[BaseProcess]:
        """Start an experiment; its processes end with the block.

        Args:
            options: of the experiment.
            log: where its output goes, appended.
        """
        bare = options.uses_gpus
        context = multiprocessing.get_context("spawn" if bare else "forkserver")
        if not bare:
            context.set_forkserver_preload([PRELOAD])
        log.parent.mkdir(parents=True, exist_ok=True)
        words, directory = options.given(), os.getcwd()
        process = context.Process(target=run_experiment, args=(words, directory, log))
        process.start()
        try:
            yield process
        finally:
            if process.is_alive():
                os.killpg(process.pid, signal.SIGTERM)
            process.join()


def run_experiment(words: List[str], directory: str, log: Path) -> None:
    """Run all stages that are asked for in this process, and end it."""
    os.setsid()  # the head of a group: its jobs end with it
    die_with(os.getppid())
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout.reconfigure(line_buffering=True)
    os.chdir(directory)
    print(f"# ./run.sh {shlex.join(words)}")
    try:
        Stages(Options.parse(words)).run_all()
    except (ValueError, RuntimeError, OSError) as error:
        if not is_foreseen(error):
            traceback.print_exc()
        sys.exit(f"error: {error}")
