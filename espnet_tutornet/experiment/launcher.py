"""Run commands and jobs of an experiment, here or on a cluster."""

import importlib
import multiprocessing
import os
import shlex
import subprocess
import sys
import tempfile
from typing import List, Mapping, Optional, Sequence

from espnet_tutornet.experiment.options import Options
from espnet_tutornet.experiment.traits import OURS
from espnet_tutornet.jobs.job import Job, write_jobs
from espnet_tutornet.jobs.lifetime import die_with
from espnet_tutornet.jobs.run import run_jobs

PACKAGE = OURS.partition(".")[0]
JOBS = "espnet_tutornet.jobs.run"


class Launcher:
    """Run commands and jobs.

    Args:
        options: of the experiment.
    """

    def __init__(self, options: Options):
        self.options = options
        # CUDA cannot be used in a fork of a process that has loaded ESPnet: where this
        # process runs several stages, it must not, lest a later one need the GPU.
        self.bare = False

    def load(self, *names: str) -> None:
        """Import modules of this package, which the calls that follow then share."""
        for name in () if self.bare else names:
            importlib.import_module(f"{PACKAGE}.{name}")

    def call(self, name: str, *args: str) -> None:
        """Run a command of this package; the line before its output can be pasted."""
        module = f"{OURS}.{name}"
        print(f"# python -m {shlex.join([module, *args])}", flush=True)
        if self.bare:
            run_command([sys.executable, "-m", module, *args])
            return
        # in a fork: threads that it starts would have the forks of later jobs hang
        process = multiprocessing.get_context("fork").Process(
            target=_main, args=(module, args, os.getpid())
        )
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(process.exitcode)

    def launch(
        self,
        title: str,
        jobs: List[Job],
        nj: int = 0,
        threads: int = 1,
        where: str = "",
        keep_going: bool = False,
        cuda: bool = False,
    ) -> None:
        """Run jobs, here or by ``train_cmd`` and ``decode_cmd`` of cmd.sh.

        Args:
            title: of the progress bar.
            jobs: what is done is skipped.
            nj: side by side; 0: as the options say.
            threads: of each.
            where: train, decode, or here.
            keep_going: a job that fails is no error.
            cuda: whether jobs use a GPU.
        """
        nj = nj or self.options.nj
        command = shlex.split(os.environ.get(f"{where}_cmd", ""))
        if not command:
            preload = not (cuda or self.bare)
            run_jobs(jobs, nj, threads, title, keep_going, preload)
            return
        with tempfile.NamedTemporaryFile(
            "w", dir=self.options.expdir, prefix=".jobs.", encoding="utf-8"
        ) as f:
            write_jobs(jobs, f)
            f.flush()
            command += [sys.executable, "-m", JOBS, "--jobs", f.name]
            command += ["--title", title, "--nj", str(nj), "--threads", str(threads)]
            command += ["--keep_going"] if keep_going else []
            run_command([*command, *(["--gpu"] if cuda else [])])


def _main(module: str, args: Sequence[str], parent: int) -> None:
    die_with(parent)
    sys.argv = [module, *args]  # its parser says its name
    importlib.import_module(module).main(list(args))


def run_command(
    command: List[str], environment: Optional[Mapping[str, str]] = None
) -> None:
    """Run a command that says itself what goes wrong; end as it does, if it does."""
    status = subprocess.run(command, env=environment).returncode
    if status:
        sys.exit(status)
