"""Run the jobs of a recipe stage: once each, some side by side, loading ESPnet once.

Importing ESPnet takes 7-8 s. This command imports what the jobs need, then forks one
process a job. A job that is done with the same command and the same inputs is skipped;
a changed one runs again. A job that was killed goes on from its ``resumes`` files, but
not from those of an attempt with another command or other inputs: they are removed.

A jobs file has one job a line, words quoted as in a shell:

    done=exp/a/.done log=exp/a/train.log depends=conf/a.yaml,data/.done -- \
        espnet2.bin.asr_train --config conf/a.yaml --output_dir exp/a
"""

import argparse
import ctypes
import hashlib
import importlib
import io
import logging
import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections import deque
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from tqdm import tqdm

from espnet_tutornet.bin.command import exit_on_error
from espnet_tutornet.recipe.files import atomic_write

KEYS = ("done", "log", "depends", "resumes")


@dataclass(frozen=True)
class Job:
    """One call of a module's ``main``.

    Attributes:
        module: for example ``espnet2.bin.asr_train``.
        args: its command line.
        done: marker file, written after success; holds the job's stamp.
        log: where its output goes, appended.
        depends: files whose content the job depends on.
        resumes: files that the job writes and goes on from.
    """

    module: str
    args: Tuple[str, ...]
    done: Path
    log: Path
    depends: Tuple[Path, ...] = ()
    resumes: Tuple[Path, ...] = ()

    def stamp(self) -> str:
        """Hash the command and the inputs.

        Raises:
            FileNotFoundError: an input is missing.
        """
        digest = hashlib.sha256(shlex.join((self.module,) + self.args).encode())
        for path in self.depends:
            if not path.is_file():
                raise FileNotFoundError(
                    f"{self.done.parent}: needs {path}, which is not there. Run the "
                    "earlier stages first."
                )
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def is_done(self, stamp: str) -> bool:
        """Tell whether the marker is there and holds ``stamp``."""
        return self.done.is_file() and self.done.read_text().strip() == stamp

    def begin(self, stamp: str) -> None:
        """Remove the marker, and what an attempt under another stamp left behind."""
        self.done.unlink(missing_ok=True)
        begun = self.done.with_suffix(".begun")
        if begun.is_file() and begun.read_text().strip() == stamp:
            return
        for path in self.resumes:
            path.unlink(missing_ok=True)
        with atomic_write(begun) as f:
            print(stamp, file=f)


def read_jobs(path: Path) -> List[Job]:
    """Read a jobs file.

    Raises:
        ValueError: a line without ``--``, without a module, or with an unknown key.
    """
    jobs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = shlex.split(line)
        head = words[: words.index("--")] if "--" in words else words
        command = words[len(head) + 1 :]
        fields = dict(word.partition("=")[::2] for word in head)
        if not command or set(fields) - set(KEYS) or not {"done", "log"} <= set(fields):
            raise ValueError(
                f"{path}:{number}: expected 'done=FILE log=FILE [depends=A,B] "
                f"[resumes=C] -- MODULE [ARG ...]', got: {line}"
            )
        jobs.append(
            Job(
                module=command[0],
                args=tuple(command[1:]),
                done=Path(fields["done"]),
                log=Path(fields["log"]),
                depends=_paths(fields.get("depends", "")),
                resumes=_paths(fields.get("resumes", "")),
            )
        )
    return jobs


def _paths(value: str) -> Tuple[Path, ...]:
    return tuple(Path(path) for path in value.split(",") if path)


def run_jobs(jobs: List[Job], nj: int, threads: int, title: str) -> None:
    """Run what is not done, at most ``nj`` at a time.

    Args:
        jobs: the jobs; those that are done are skipped.
        nj: processes side by side.
        threads: torch threads of each.
        title: for the progress bar.

    Raises:
        FileNotFoundError: an input of a job is missing; none was started.
        RuntimeError: a job failed; the others were run to their end.
    """
    stamps = {job: job.stamp() for job in jobs}  # of the inputs as they are now
    waiting = deque(job for job in jobs if not job.is_done(stamps[job]))
    print(f"{title}: {len(waiting)} to do, {len(jobs) - len(waiting)} done before")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for module in dict.fromkeys(job.module for job in waiting):
            importlib.import_module(module)  # some greet on import
    running, failed = [], []
    bar = tqdm(total=len(waiting), desc=title, unit="job", disable=None)
    try:
        while waiting or running:
            while waiting and len(running) < nj:
                job = waiting.popleft()
                job.begin(stamps[job])
                running.append(_start(job, threads))
            time.sleep(0.05)
            for job, process in [pair for pair in running if not pair[1].is_alive()]:
                running.remove((job, process))
                bar.update()
                if process.exitcode == 0:
                    with atomic_write(job.done) as f:
                        print(stamps[job], file=f)
                else:
                    failed.append(job)
                    bar.write(_failure(job, process.exitcode))
    finally:
        for _, process in running:
            process.terminate()
    bar.close()
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {len(jobs)} jobs failed: "
            f"{', '.join(str(job.log) for job in failed)}. Mend the cause and run the "
            "stage again: what is done stays done."
        )


def _start(job: Job, threads: int) -> Tuple[Job, multiprocessing.Process]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    # not daemonic: ESPnet's data loaders start workers of their own
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_child, args=(job, threads, os.getpid()))
    process.start()
    return job, process


def _child(job: Job, threads: int, parent: int) -> None:
    _die_with(parent)
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    logging.getLogger().handlers.clear()
    print(f"# python -m {shlex.join((job.module,) + job.args)}")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
        importlib.import_module("espnet_tutornet.tasks.saving").save_whole()
    sys.argv = [job.module, *job.args]
    start = time.time()
    importlib.import_module(job.module).main(list(job.args))
    print(f"# ended, {time.time() - start:.1f} s")


def _die_with(parent: int) -> None:
    """Ask Linux to end this process when the one that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(1)


def _failure(job: Job, exitcode: int, lines: int = 15) -> str:
    with job.log.open(encoding="utf-8", errors="replace") as f:
        tail = "".join(deque(f, maxlen=lines))
    return f"FAILED (status {exitcode}), last lines of {job.log}:\n{tail}"


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=Path, required=True, help="The jobs file")
    parser.add_argument("--nj", type=int, default=1, help="Jobs side by side")
    parser.add_argument("--threads", type=int, default=1, help="Torch threads a job")
    parser.add_argument("--title", default="jobs", help="Name of the progress bar")
    return parser


@exit_on_error
def main(cmd=None):
    """Run the jobs of a file."""
    args = get_parser().parse_args(cmd)
    if args.nj < 1 or args.threads < 1:
        raise ValueError(
            f"nj and threads must be at least 1, got {args.nj}, {args.threads}."
        )
    run_jobs(read_jobs(args.jobs), args.nj, args.threads, args.title)


if __name__ == "__main__":
    main()
