"""A comparison on its way: what is missing is run, what there is is written."""

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import yaml

from espnet_tutornet.compare.grid import Options, Setting, read_options
from espnet_tutornet.compare.outcomes import (
    MARKER,
    Outcome,
    choose_rates,
    find_failure,
    has_students,
    identify_teacher,
    is_marked,
    read_outcome,
    read_tail,
)
from espnet_tutornet.compare.progress import Progress
from espnet_tutornet.compare.records import Records
from espnet_tutornet.compare.run_sh import command_of, start
from espnet_tutornet.compare.summary import summarise_comparison
from espnet_tutornet.compare.tables import write_tables
from espnet_tutornet.compare.trials import (
    DATA_OPTIONS,
    Call,
    Trial,
    group_trials,
    hash_inputs,
    key_of,
    place,
    plan_search,
    plan_trials,
)
from espnet_tutornet.data.fingerprint import check_fingerprint, fingerprint_data
from espnet_tutornet.jobs.fork_server import VARIABLE, start_fork_server
from espnet_tutornet.utils.files import atomic_write


class Comparison:
    """Settings on their way through run.sh, and how their trials ended.

    Args:
        settings: as :func:`read_grid` gives them.
        out: directory for everything.
        run_sh: of the recipe; relative paths of the grid start from its directory.
        nj: processes side by side.
        baseline: the method that the summary compares the others with.
        records: of an earlier comparison; what is done there is not run again.
    """

    def __init__(
        self,
        settings: List[Setting],
        out: Path,
        run_sh: Path,
        nj: int,
        baseline: str = "none",
        records: Optional[Records] = None,
    ):
        self.settings, self.out, self.run_sh, self.nj = settings, out, run_sh, nj
        self.baseline, self.records = baseline, records or Records()
        self.defaults = read_options(run_sh)
        self.progress = Progress(settings, self.defaults["total_epochs"])
        self.outcomes: Dict[Trial, Outcome] = {}
        self.hashes: Dict[Path, str] = {}  # of what trials depend on
        self.prepared: set = set()  # data that were prepared and checked
        self.closing, self.server = ExitStack(), ""  # path of the fork server's socket
        for setting in settings:
            search = plan_search(setting)
            self.plan(search, "search")
            if not search:
                self.plan(plan_trials(setting, {}), "final")

    def options_of(self, setting: Setting) -> Options:
        """Return every option of run.sh in a setting."""
        options = {**self.defaults, "skip_stages": "0 14", **setting.options}
        if options["teacher"] or options["teacher_config"]:
            # for all alike: run.sh decides by the methods, which a call has a part of
            options["token_type"] = "teacher"
        options.update(place(options, self.out, setting), keep_going="true")
        options.update(nj=str(self.nj), python=options["python"] or sys.executable)
        return options

    def stamp(self, trial: Trial, hashes: Dict[Path, str]) -> str:
        """Hash what a trial depends on; ``hashes`` are those of files seen before."""
        options = self.options_of(trial.setting)
        return hash_inputs(trial, options, self.run_sh.parent, hashes)

    def plan(self, trials: Sequence[Trial], role: str) -> List[Trial]:
        """Take trials in, and return those that have to run."""
        for trial in trials:
            known = self.outcomes.get(trial)
            if known and (known.role == role or not known.recorded):
                self.outcomes[trial] = replace(known, role=role)
                continue
            stamp = self.stamp(trial, self.hashes)
            marked = is_marked(self.out, trial, stamp)
            inputs = trial.method, stamp, trial.seed, trial.directory
            recorded = self.records.find(*inputs, role)
            inference = Path(self.options_of(trial.setting)["inference_config"]).stem
            self.outcomes[trial] = Outcome(
                trial=trial,
                role=role,
                status="done" if marked or recorded else "waiting",
                config=stamp,
                directory=trial.directory,
                inference=inference.removeprefix("decode_"),
                recorded=None if marked else recorded,
            )
        missing = [t for t in trials if self.outcomes[t].status == "waiting"]
        self.progress.add(set(trials) - set(missing), trained=False)
        return missing

    def run(self) -> None:
        """Run every setting: its search first, then what is compared."""
        with self.closing:
            for setting in self.settings:
                rates: Dict[tuple, str] = {}
                search = plan_search(setting)
                if search:
                    self.run_trials(search, "search")
                    self.read()
                    found = [self.outcomes[trial] for trial in search]
                    rates = choose_rates(found, setting.options["valid_set"])
                self.run_trials(plan_trials(setting, rates), "final")

    def environment_of(self, options: Options) -> Dict[str, str]:
        """Return the variables for run.sh: where it finds the fork server, if it can.

        The server is started at the first call, and loads while data are prepared.
        """
        recipe, python = self.run_sh.parent, options["python"]
        if python != sys.executable or not (recipe / "path.sh").is_file():
            return dict(os.environ)
        if not self.server:
            server = start_fork_server(recipe, python)
            self.server = self.closing.enter_context(server)
        return {**os.environ, VARIABLE: self.server}

    def run_trials(self, trials: List[Trial], role: str) -> None:
        """Run the trials of one setting that are not complete."""
        for call in group_trials(self.plan(trials, role)):
            methods = " ".join(call.methods)
            self.report(f"{call.setting.name}: {methods}, {len(call.trials)} runs")
            self.run_call(call)
            self.write()

    def run_call(self, call: Call) -> None:
        """Run one call of run.sh, and record how its trials ended."""
        options = self.options_of(call.setting)
        configs = dict.fromkeys(self.write_config(trial) for trial in call.trials)
        options["student_configs"] = " ".join(configs)
        options["methods"] = " ".join(call.methods)
        options["seeds"] = " ".join(map(str, call.seeds))
        log = self.out / "logs" / f"{call.setting.name}.log"
        ended = self.prepare(options, log) and self.train(call, options, log)
        self.progress.add(call.trials, trained=False)  # those left: done before, failed
        hashes: Dict[Path, str] = {}  # of the files as they are now
        for trial in call.trials:
            outcome = self.outcomes[trial]
            failure = read_tail(log) or "run.sh did not start"
            if ended:
                failure = find_failure(self.out, trial, outcome.inference)
            if not failure and self.stamp(trial, hashes) != outcome.config:
                failure = "a file of its changed while it ran: compare again"
            if failure:
                last = failure.splitlines()[-1]
                self.report(f"FAILED {trial.directory}: {last}")
            else:
                with atomic_write(self.out / trial.directory / MARKER) as f:
                    print(outcome.config, file=f)
            status = "failed" if failure else "done"
            self.outcomes[trial] = replace(outcome, status=status, failure=failure)

    def write_config(self, trial: Trial) -> str:
        """Lay a learning rate over a student's configuration; return its path."""
        if not trial.rate:
            return trial.student
        path = self.out / "configs" / f"train_{trial.config_name}.yaml"
        text = (self.run_sh.parent / trial.student).read_text(encoding="utf-8")
        conf = yaml.safe_load(text)
        conf["optim_conf"] = {**conf.get("optim_conf", {}), "lr": float(trial.rate)}
        with atomic_write(path) as f:
            yaml.safe_dump(conf, f, sort_keys=False)
        return str(path)

    def prepare(self, options: Options, log: Path) -> bool:
        """Prepare the data, once for all settings that share them, and check them.

        Returns:
            Whether it went well.

        Raises:
            RuntimeError: there are results of another version of the corpus.
        """
        data = (options["datadir"], options["teacher"] and options["teacher_dir"])
        if data not in self.prepared:
            options = {**options, "stop_stage": "4"}
            command = command_of(self.run_sh, options, self.defaults)
            with start(command, log, self.environment_of(options)) as process:
                if process.wait() != 0:
                    return False
            found = fingerprint_data(options["datadir"])
            key = key_of(options, DATA_OPTIONS)
            check_fingerprint(self.out / "corpora.json", key, found)
            self.prepared.add(data)
        return True

    def train(self, call: Call, options: Options, log: Path) -> bool:
        """Train, decode and score; report each training that ends.

        Returns:
            Whether run.sh came to its end.
        """
        begun, waiting = time.time(), call.trials
        for trial in waiting:
            (self.out / trial.directory / MARKER).unlink(missing_ok=True)
        options = {**options, "stage": "5"}
        command = command_of(self.run_sh, options, self.defaults)
        with start(command, log, self.environment_of(options)) as process:
            ended = training = False
            while not ended:
                ended = process.poll() is not None  # then looks a last time
                if not training and has_students(Path(options["expdir"]), begun):
                    training = True
                    self.progress.begin()
                for trial in list(waiting):
                    done = self.out / trial.directory / ".train.done"
                    if done.is_file() and done.stat().st_mtime > begun:
                        waiting.remove(trial)
                        self.progress.add([trial], trained=True)
                        self.report(f"{trial.directory} is trained")
                time.sleep(0 if ended else 0.1)
        return process.returncode == 0

    def report(self, message: str) -> None:
        """Print a line about where the comparison is."""
        print(f"[{self.progress.format()}] {message}", flush=True)

    def read(self) -> None:
        """Read sizes and scores of what is done."""
        for trial, outcome in self.outcomes.items():
            self.outcomes[trial] = read_outcome(self.out, outcome)

    def write(self) -> str:
        """Write results.csv, errors.csv and SUMMARY.md; return the summary."""
        self.read()
        teachers = {
            setting: identify_teacher(Path(self.options_of(setting)["teacher_cache"]))
            for setting in self.settings
        }
        outcomes = list(self.outcomes.values())
        write_tables(self.out, outcomes, teachers, self.records)
        summary = summarise_comparison(self.out, self.baseline)
        with atomic_write(self.out / "SUMMARY.md") as f:
            f.write(summary)
        return summary
