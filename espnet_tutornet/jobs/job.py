"""Jobs of a recipe stage: what they run, and whether they are done.

A jobs file has one job a line, words quoted as in a shell:

    done=exp/a/.done log=exp/a/train.log depends=conf/a.yaml,data/.done -- \
        espnet2.bin.asr_train --config conf/a.yaml --output_dir exp/a

A job that depends on the marker of one before it waits until that has ended.
"""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Dict, Iterable, List, Optional, Sequence, Tuple

from espnet_tutornet.utils.files import atomic_write, remove_leftovers

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

    @classmethod
    def within(
        cls,
        directory: str,
        name: str,
        depends: Iterable[str],
        module: str,
        args: Sequence[str],
        resumes: Tuple[Path, ...] = (),
    ) -> "Job":
        """Return a job whose log and marker are in a directory.

        Example:
            >>> job = Job.within("exp/a", "train", ["a.yaml"], "mod", [])
            >>> str(job.log), str(job.done)
            ('exp/a/train.log', 'exp/a/.train.done')
        """
        folder = Path(directory)
        done, log = folder / f".{name}.done", folder / f"{name}.log"
        files = tuple(map(Path, depends))
        return cls(module, tuple(args), done, log, files, resumes)

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

    def waits_for(self, others: Iterable["Job"]) -> bool:
        """Tell whether it depends on the marker of one of ``others``."""
        return any(other.done in self.depends for other in others)

    def begin(self, stamp: str) -> None:
        """Remove the marker, and what an attempt under another stamp left behind.

        Temporary files of an attempt that was killed go under any stamp.
        """
        self.done.unlink(missing_ok=True)
        remove_leftovers(self.done.parent)
        begun = self.done.with_suffix(".begun")
        if begun.is_file() and begun.read_text().strip() == stamp:
            return
        for path in self.resumes:
            path.unlink(missing_ok=True)
        with atomic_write(begun) as f:
            print(stamp, file=f)

    def forget(self) -> None:
        """Have the next attempt start from the beginning."""
        self.done.unlink(missing_ok=True)  # by another machine of the same training
        self.done.with_suffix(".begun").unlink(missing_ok=True)


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


def write_jobs(jobs: Iterable[Job], f: IO) -> None:
    """Write a jobs file."""
    for job in jobs:
        fields = {"done": job.done, "log": job.log}
        fields.update(depends=",".join(map(str, job.depends)))
        fields.update(resumes=",".join(map(str, job.resumes)))
        words = [f"{key}={value}" for key, value in fields.items()]
        print(shlex.join([*words, "--", job.module, *job.args]), file=f)


def _paths(value: str) -> Tuple[Path, ...]:
    return tuple(Path(path) for path in value.split(",") if path)


def plan_jobs(
    jobs: Sequence[Job], keep_going: bool
) -> Tuple[Dict[Job, Optional[str]], int]:
    """Tell which jobs have to run: those that are not done, and all that wait for them.

    A job waits for another one before it whose marker it depends on.

    Args:
        jobs: the jobs.
        keep_going: leave out jobs whose inputs are missing, and unmark them.

    Returns:
        The jobs that have to run, with their stamps, None where a job waits and its
        inputs are still to come, and the number of those that are done.

    Raises:
        FileNotFoundError: an input of a job is missing, without ``keep_going``.
    """
    missing: Dict[Job, Optional[str]] = {}
    done = 0
    for job in jobs:
        try:
            stamp = None if job.waits_for(missing) else job.stamp()
            if stamp and job.is_done(stamp):
                done += 1
            else:
                missing[job] = stamp
        except FileNotFoundError as error:
            if not keep_going:
                raise
            job.done.unlink(missing_ok=True)  # it told of inputs that are gone
            print(f"Left out: {error}")
    return missing, done


def take_ready(waiting: List[Job], running: Iterable[Job]) -> Optional[Job]:
    """Take the first job out that waits for none of the others, None where all do."""
    unfinished = [*running, *waiting]
    for job in waiting:
        if not job.waits_for(unfinished):
            waiting.remove(job)
            return job
    return None


def drop_followers(waiting: List[Job], failed: Job) -> List[Job]:
    """Take all jobs out that wait for one that failed, or for such a job; unmark them.

    Returns:
        The jobs that were taken out.
    """
    followers = [job for job in waiting if job.waits_for([failed])]
    for job in followers:
        waiting.remove(job)
        job.done.unlink(missing_ok=True)
    return followers + [
        job for each in followers for job in drop_followers(waiting, each)
    ]
