"""Run the jobs of a recipe stage: once each, some side by side, loading ESPnet once.

Importing ESPnet takes 7-8 s. This command imports what the jobs need, then forks one
process a job. A job that is done with the same command and the same inputs is skipped;
a changed one runs again. One that needs the marker of another waits for it. A job that
was killed goes on from its ``resumes`` files, but not from those of an attempt with
another command or other inputs: they are removed.

CUDA cannot be used in a fork of a process that asked for it, and ESPnet asks when it is
imported. Jobs with a GPU (``--gpu``) are forks of this process, which loads nothing.
"""

import argparse
import importlib
import io
import logging
import multiprocessing
import os
import shlex
import sys
import time
from collections import deque
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Dict, List, Tuple

from tqdm import tqdm

from espnet_tutornet.jobs.job import (
    Job,
    drop_followers,
    plan_jobs,
    read_jobs,
    take_ready,
)
from espnet_tutornet.jobs.lifetime import die_with
from espnet_tutornet.utils.command import exit_on_error, is_foreseen
from espnet_tutornet.utils.files import atomic_write


def run_jobs(
    jobs: List[Job],
    nj: int,
    threads: int,
    title: str,
    keep_going: bool = False,
    preload: bool = True,
) -> None:
    """Run what is not done, at most ``nj`` at a time.

    Args:
        jobs: the jobs; those that are done are skipped.
        nj: processes side by side.
        threads: torch threads of each.
        title: for the progress bar.
        keep_going: report failed jobs and jobs without their inputs, and raise nothing.
        preload: import what the jobs need here, once; else each does so by itself.

    Raises:
        FileNotFoundError: an input of a job is missing; none was started.
        RuntimeError: a job failed; the others were run to their end.
    """
    stamps, done = plan_jobs(jobs, keep_going)
    waiting = list(stamps)
    total = len(waiting) + done
    print(f"{title}: {len(waiting)} to do, {done} done before")
    if preload:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            for module in dict.fromkeys(job.module for job in waiting):
                importlib.import_module(module)  # some greet on import
    running: Dict[Job, Tuple[str, multiprocessing.Process]] = {}
    failed: List[Job] = []
    bar = tqdm(total=len(waiting), desc=title, unit="job", disable=None)

    def fail(job: Job, message: str) -> None:
        failed.append(job)
        bar.update()
        bar.write(f"FAILED {message}")
        for left in drop_followers(waiting, job):
            bar.update()
            bar.write(f"Left out: {left.log}, which waits for {job.log}")

    try:
        while waiting or running:
            while len(running) < nj and (job := take_ready(waiting, running)):
                try:
                    stamp = stamps[job] or job.stamp()
                except FileNotFoundError as error:  # what it waited for did not make it
                    fail(job, str(error))
                    continue
                job.begin(stamp)
                running[job] = stamp, _start(job, threads)
            time.sleep(0.05)
            for job, (stamp, process) in list(running.items()):
                if process.is_alive():
                    continue
                del running[job]
                if process.exitcode == 0:
                    bar.update()
                    with atomic_write(job.done) as f:
                        print(stamp, file=f)
                else:
                    fail(job, _read_failure(job, process.exitcode))
    finally:
        for _, process in running.values():
            process.terminate()
    bar.close()
    if failed:
        message = (
            f"{len(failed)} of {total} jobs failed: "
            f"{', '.join(str(job.log) for job in failed)}. Mend the cause and run the "
            "stage again: what is done stays done."
        )
        if not keep_going:
            raise RuntimeError(message)
        print(message)


def _start(job: Job, threads: int) -> multiprocessing.Process:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    # not daemonic: ESPnet's data loaders start workers of their own
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_child, args=(job, threads, os.getpid()))
    process.start()
    return process


def _child(job: Job, threads: int, parent: int) -> None:
    die_with(parent)
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    logging.getLogger().handlers.clear()
    print(f"# python -m {shlex.join((job.module,) + job.args)}")
    module = importlib.import_module(job.module)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
        importlib.import_module("espnet_tutornet.jobs.saving").save_whole()
    sys.argv = [job.module, *job.args]
    start = time.time()
    module.main(list(job.args))
    if job.module.endswith("_train"):
        finished = importlib.import_module("espnet_tutornet.jobs.finished")
        try:
            finished.check_job(module.get_parser().parse_args(list(job.args)))
        except (ValueError, RuntimeError, OSError) as error:
            job.forget()
            if not is_foreseen(error):
                raise
            sys.exit(f"{job.module}: error: {error}")
    print(f"# ended, {time.time() - start:.1f} s")


def _read_failure(job: Job, exitcode: int, lines: int = 15) -> str:
    with job.log.open(encoding="utf-8", errors="replace") as f:
        tail = "".join(deque(f, maxlen=lines))
    return f"(status {exitcode}), last lines of {job.log}:\n{tail}"


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=Path, required=True, help="The jobs file")
    parser.add_argument("--nj", type=int, default=1, help="Jobs side by side")
    parser.add_argument("--threads", type=int, default=1, help="Torch threads a job")
    parser.add_argument("--title", default="jobs", help="Name of the progress bar")
    parser.add_argument(
        "--keep_going", action="store_true", help="Failed jobs are no error"
    )
    parser.add_argument(
        "--gpu", action="store_true", help="Jobs use CUDA: each loads ESPnet by itself"
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Run the jobs of a file."""
    args = get_parser().parse_args(cmd)
    if args.nj < 1 or args.threads < 1:
        raise ValueError(
            f"nj and threads must be at least 1, got {args.nj}, {args.threads}."
        )
    jobs = read_jobs(args.jobs)
    run_jobs(jobs, args.nj, args.threads, args.title, args.keep_going, not args.gpu)


if __name__ == "__main__":
    main()
