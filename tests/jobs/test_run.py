import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from espnet_tutornet.jobs.job import read_jobs, write_jobs
from espnet_tutornet.jobs.run import get_parser, main

# a module as ESPnet's bins are: main(cmd); writes one line a call
TOOL = """
import os, sys, time
from pathlib import Path

def main(cmd=None):
    action, target = cmd
    target = Path(target)
    print("says", action, sys.argv[1:])
    print("grumbles", file=sys.stderr)
    with target.open("a") as f:
        f.write(f"{action}\\n")
    if action == "fail":
        for line in range(40):
            print("line", line)
        raise KeyError("the cause")
    if action == "exit":
        sys.exit(3)
    if action == "meet":  # wait for the neighbour that runs at the same time
        pattern = target.name.rstrip("0123456789") + "*"
        for _ in range(100):
            if len(list(target.parent.glob(pattern))) == 2:
                return
            time.sleep(0.05)
        raise RuntimeError("nobody came")
    if action == "change":
        Path(os.environ["CHANGE"]).write_text("changed while running")
"""

# asks for CUDA when it is imported, as all of ESPnet's commands do
TRAINING = """
import torch

torch.cuda.is_available()

def main(cmd=None):
    print("bad fork:", torch.cuda._is_in_bad_fork(), torch.get_num_threads())
    print("saves by", torch.save.__module__)
"""


class Bench:
    """A directory with the tool, a jobs file and the runner."""

    def __init__(self, path):
        self.path = path
        self.jobs = path / "jobs.txt"
        self.lines = []
        (path / "lib").mkdir()
        (path / "lib" / "tool.py").write_text(TOOL)
        (path / "lib" / "training.py").write_text(TRAINING)

    def add(self, name, action, depends=(), module="tool"):
        words = [f"done={self.path}/{name}/.done", f"log={self.path}/{name}/x.log"]
        if depends:
            words.append("depends=" + ",".join(str(d) for d in depends))
        words += ["--", module, action, str(self.path / f"out_{name}")]
        self.lines.append(shlex.join(words))

    def run(self, *options, terminal=False, timeout=None, **env):
        self.jobs.write_text("".join(f"{line}\n" for line in self.lines))
        paths = [str(self.path / "lib"), *sys.path]
        env = {**os.environ, **env, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [sys.executable, "-m", "espnet_tutornet.jobs.run"]
        command += ["--jobs", str(self.jobs), *options]
        how = dict(capture_output=True, text=True, env=env, timeout=timeout)
        if not terminal:
            return subprocess.run(command, **how)
        wide = f"stty rows 40 cols 100; {shlex.join(command)}"
        return subprocess.run(["script", "-qec", wide, "/dev/null"], **how)

    def calls(self, name):
        out = self.path / f"out_{name}"
        return out.read_text().split() if out.exists() else []

    def done(self, name):
        return (self.path / name / ".done").is_file()

    def log(self, name):
        return (self.path / name / "x.log").read_text()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_job_runs_once_and_is_skipped_when_done(bench):
    bench.add("a", "work")
    first, second = bench.run(), bench.run()
    assert first.returncode == second.returncode == 0, first.stderr
    assert "jobs: 1 to do, 0 done before" in first.stdout
    assert "jobs: 0 to do, 1 done before" in second.stdout
    assert bench.calls("a") == ["work"]
    assert bench.done("a")


def test_output_goes_to_the_log_with_the_command(bench):
    bench.add("a", "work")
    done = bench.run()
    log = bench.log("a")
    assert f"# python -m tool work {bench.path}/out_a" in log
    assert f"says work ['work', '{bench.path}/out_a']" in log
    assert "grumbles" in log and "# ended, " in log
    assert "says" not in done.stdout and "grumbles" not in done.stderr


def test_a_changed_input_runs_the_job_again_and_no_other(bench):
    inputs = [bench.path / "in_a", bench.path / "in_b"]
    for path in inputs:
        path.write_text("one")
    bench.add("a", "work", depends=inputs[:1])
    bench.add("b", "work", depends=inputs[1:])
    bench.run()
    inputs[0].write_text("two")
    assert bench.run().returncode == 0
    assert bench.calls("a") == ["work"] * 2
    assert bench.calls("b") == ["work"]
    os.utime(inputs[1])  # the content counts, not the time
    bench.run()
    assert bench.calls("b") == ["work"]


def test_a_changed_command_runs_the_job_again(bench):
    bench.add("a", "work")
    bench.run()
    bench.lines.clear()
    bench.add("a", "rework")
    bench.run()
    assert bench.calls("a") == ["work", "rework"]


def test_an_input_that_changes_while_the_job_runs_leaves_it_to_be_done_again(bench):
    data = bench.path / "data"
    data.write_text("one")
    bench.add("a", "change", depends=[data])
    assert bench.run(CHANGE=str(data)).returncode == 0
    assert "1 to do" in bench.run(CHANGE=str(data)).stdout


def test_a_failed_job_shows_its_last_lines_and_the_others_go_on(bench):
    bench.add("a", "work")
    bench.add("b", "fail")
    bench.add("c", "work")
    done = bench.run()
    assert done.returncode == 1
    assert "FAILED (status 1), last lines of" in done.stdout
    assert "KeyError: 'the cause'" in done.stdout
    assert "line 39" in done.stdout and "line 5\n" not in done.stdout
    assert f"1 of 3 jobs failed: {bench.path}/b/x.log" in done.stderr
    assert "Traceback" not in done.stderr
    assert [bench.done(name) for name in "abc"] == [True, False, True]


def test_a_failed_job_alone_runs_again(bench):
    bench.add("a", "work")
    bench.add("b", "exit")
    assert "FAILED (status 3)" in bench.run().stdout
    assert bench.run().returncode == 1
    assert bench.calls("a") == ["work"] and bench.calls("b") == ["exit"] * 2


def test_the_marker_goes_when_a_job_starts_again(bench):
    bench.add("a", "work")
    bench.run()
    bench.lines.clear()
    bench.add("a", "fail")
    assert bench.run().returncode == 1
    assert not bench.done("a")


def test_jobs_run_side_by_side(bench):
    for name in ("1", "2"):
        bench.add(name, "meet")
    done = bench.run("--nj", "2")
    assert done.returncode == 0, done.stdout
    assert bench.done("1") and bench.done("2")


def test_a_missing_input_is_named_before_anything_runs(bench):
    bench.add("a", "work")
    bench.add("b", "work", depends=[bench.path / "absent"])
    done = bench.run()
    assert done.returncode == 1
    assert f"{bench.path}/b: needs {bench.path}/absent, which is not" in done.stderr
    assert "Run the earlier stages" in done.stderr
    assert bench.calls("a") == [] and bench.calls("b") == []


def test_with_keep_going_the_rest_runs_and_what_lacks_its_input_is_unmarked(bench):
    absent = bench.path / "absent"
    absent.write_text("here for now")
    bench.add("a", "fail")
    bench.add("b", "work", depends=[absent])
    bench.add("c", "work")
    bench.run()
    absent.unlink()
    done = bench.run("--keep_going")
    assert done.returncode == 0, done.stderr
    assert f"1 of 2 jobs failed: {bench.path}/a/x.log" in done.stdout
    assert f"Left out: {bench.path}/b: needs {absent}, which is not" in done.stdout
    assert [bench.done(name) for name in "abc"] == [False, False, True]
    assert bench.calls("b") == bench.calls("c") == ["work"]


def add_chain(bench, first="work"):
    """A job, one that waits for it, and one that waits for that."""
    bench.add("a", first)
    bench.add("b", "work", depends=[bench.path / "a/.done"])
    bench.add("c", "work", depends=[bench.path / "b/.done"])
    bench.add("d", "work")


@pytest.mark.parametrize("nj", ["1", "3"])
def test_a_job_waits_for_the_one_whose_marker_it_needs(bench, nj):
    bench.add("a", "work")
    bench.add("b", "after", depends=[bench.path / "a/.done", bench.path / "out_a"])
    done = bench.run("--nj", nj)  # out_a is not there before a has run
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 to do, 0 done before" in done.stdout
    assert bench.calls("b") == ["after"]
    assert "0 to do, 2 done before" in bench.run().stdout


def test_a_free_process_takes_the_next_job_that_waits_for_nobody(bench):
    bench.add("m1", "meet")  # ends when m2 runs beside it
    bench.add("b", "work", depends=[bench.path / "m1/.done"])
    bench.add("m2", "meet")
    done = bench.run("--nj", "2")
    assert done.returncode == 0, done.stdout
    assert bench.calls("b") == ["work"]


def test_what_waited_runs_again_with_what_it_waited_for(bench):
    add_chain(bench)
    bench.run()
    (bench.path / "a/.done").unlink()  # run again with the same command and inputs
    assert "3 to do, 1 done before" in bench.run().stdout
    assert [len(bench.calls(name)) for name in "abcd"] == [2, 2, 2, 1]


@pytest.mark.skipif(not shutil.which("script"), reason="no terminal to pretend")
def test_the_bar_ends_where_all_jobs_ended_also_those_left_out(bench):
    add_chain(bench, first="fail")
    done = bench.run("--keep_going", terminal=True)
    assert "| 4/4 [" in done.stdout
    assert "FAILED" in done.stdout and done.returncode == 0


@pytest.mark.parametrize("option", [[], ["--keep_going"]])
def test_what_waits_for_a_failed_job_is_left_out_and_unmarked(bench, option):
    add_chain(bench)
    bench.run()
    bench.lines.clear()
    add_chain(bench, first="fail")
    done = bench.run(*option)
    assert done.returncode == (0 if option else 1)
    for name in "bc":
        assert f"Left out: {bench.path}/{name}/x.log, which waits" in done.stdout
    assert [bench.done(name) for name in "abcd"] == [False, False, False, True]
    assert [len(bench.calls(name)) for name in "abcd"] == [2, 1, 1, 1]


def test_an_input_that_a_job_should_have_made_fails_those_that_need_it(bench):
    bench.add("a", "work")
    bench.add("b", "work", depends=[bench.path / "a/.done", bench.path / "absent"])
    bench.add("c", "work")
    done = bench.run()
    assert done.returncode == 1
    assert f"FAILED {bench.path}/b: needs {bench.path}/absent, which" in done.stdout
    assert [bench.done(name) for name in "abc"] == [True, False, True]


@pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="PyTorch for CPUs")
@pytest.mark.parametrize("options, bad", [([], True), (["--gpu"], False)])
def test_cuda_can_be_used_in_a_gpu_job_and_in_no_other(bench, options, bad):
    """It failed with: Cannot re-initialize CUDA in forked subprocess."""
    bench.add("a", "train", module="training")
    done = bench.run("--threads", "3", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"bad fork: {bad} 3\n" in bench.log("a")
    assert "saves by espnet_tutornet.jobs.saving" in bench.log("a")


def test_a_gpu_job_that_cannot_be_imported_fails_alone(bench):
    bench.add("a", "work", module="nowhere")
    bench.add("b", "work")
    done = bench.run("--gpu")
    assert "No module named 'nowhere'" in done.stdout and done.returncode == 1
    assert [bench.done(name) for name in "ab"] == [False, True]


def test_words_are_quoted_as_in_a_shell(tmp_path):
    jobs = tmp_path / "jobs.txt"
    jobs.write_text(
        "'done=a b/.done' log=x.log depends=c,d -- mod --name 'x y' a=b --\n"
    )
    (job,) = read_jobs(jobs)
    assert job.done == Path("a b/.done") and job.log == Path("x.log")
    assert job.depends == (Path("c"), Path("d"))
    assert job.module == "mod" and job.args == ("--name", "x y", "a=b", "--")
    with (tmp_path / "again.txt").open("w") as f:
        write_jobs([job], f)
    assert read_jobs(tmp_path / "again.txt") == [job]


@pytest.mark.parametrize(
    "line",
    [
        "done=a log=b tool work",
        "done=a log=b --",
        "done=a -- tool",
        "log=b -- tool",
        "done=a log=b needs=c -- tool",
        "",
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    jobs = tmp_path / "jobs.txt"
    jobs.write_text(f"done=a log=b -- tool\n{line}\n")
    with pytest.raises(ValueError, match="jobs.txt:2: expected 'done=FILE log=FILE"):
        read_jobs(jobs)


@pytest.mark.parametrize("option", ["--nj", "--threads"])
def test_numbers_below_one_are_refused(tmp_path, option, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--jobs", str(tmp_path / "jobs.txt"), option, "0"])
    assert stop.value.code == 1
    assert "must be at least 1, got" in capsys.readouterr().err


def test_parser_has_its_defaults():
    args = get_parser().parse_args(["--jobs", "x"])
    assert (args.nj, args.threads, args.title) == (1, 1, "jobs")
