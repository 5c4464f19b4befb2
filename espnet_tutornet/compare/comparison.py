"""A comparison on its way: what is missing is run, what there is is written."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import yaml

from espnet_tutornet.compare.grid import Setting
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
from espnet_tutornet.compare.runner import Runner
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
from espnet_tutornet.experiment.layout import name_decoding
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import read_yaml


class Comparison:
    """Settings on their way through the stages, and how their trials ended.

    Args:
        settings: as :func:`read_grid` gives them; relative paths start from the working
            directory, that of a recipe.
        out: directory for everything.
        nj: processes side by side.
        baseline: the method that the summary compares the others with.
        records: of an earlier comparison; what is done there is not run again.
    """

    def __init__(
        self,
        settings: List[Setting],
        out: Path,
        nj: int,
        baseline: str = "none",
        records: Optional[Records] = None,
    ):
        self.settings, self.out, self.nj = settings, out, nj
        self.baseline, self.records = baseline, records or Records()
        self.progress = Progress(settings, Options.total_epochs)
        self.outcomes: Dict[Trial, Outcome] = {}
        self.hashes: Dict[Path, str] = {}  # of what trials depend on
        self.prepared: set = set()  # data that were prepared and checked
        for setting in settings:
            search = plan_search(setting)
            self.plan(search, "search")
            if not search:
                self.plan(plan_trials(setting, {}), "final")

    def options_of(self, setting: Setting) -> Options:
        """Return the options of a setting, students and methods aside.

        Raises:
            UsageError: a value that an option cannot have.
        """
        options = Options.read({"skip_stages": "0 14", **setting.options})
        if options.brings_teacher:
            # for all alike: it is decided by the methods, which a call has a part of
            options = options.change(token_type="teacher")
        places = place(options.words(), self.out, setting)
        return options.change(**places, keep_going=True, nj=self.nj)

    def stamp(self, trial: Trial, hashes: Dict[Path, str]) -> str:
        """Hash what a trial depends on; ``hashes`` are those of files seen before."""
        return hash_inputs(trial, self.options_of(trial.setting), hashes)

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
            inference_config = self.options_of(trial.setting).inference_config
            self.outcomes[trial] = Outcome(
                trial=trial,
                role=role,
                status="done" if marked or recorded else "waiting",
                config=stamp,
                directory=trial.directory,
                inference=name_decoding(inference_config),
                recorded=None if marked else recorded,
            )
        missing = [t for t in trials if self.outcomes[t].status == "waiting"]
        self.progress.add(set(trials) - set(missing), trained=False)
        return missing

    def run(self) -> None:
        """Run every setting: its search first, then what is compared."""
        runner = Runner()
        for setting in self.settings:
            rates: Dict[tuple, str] = {}
            search = plan_search(setting)
            if search:
                self.run_trials(search, "search", runner)
                self.read()
                found = [self.outcomes[trial] for trial in search]
                rates = choose_rates(found, setting.options["valid_set"])
            self.run_trials(plan_trials(setting, rates), "final", runner)

    def run_trials(self, trials: List[Trial], role: str, runner: Runner) -> None:
        """Run the trials of one setting that are not complete."""
        for call in group_trials(self.plan(trials, role)):
            methods = " ".join(call.methods)
            self.report(f"{call.setting.name}: {methods}, {len(call.trials)} runs")
            self.run_call(call, runner)
            self.write()

    def run_call(self, call: Call, runner: Runner) -> None:
        """Run one experiment, and record how its trials ended."""
        configs = dict.fromkeys(self.write_config(trial) for trial in call.trials)
        options = self.options_of(call.setting).change(
            student_asr_config=" ".join(configs),
            methods=" ".join(call.methods),
            seeds=" ".join(map(str, call.seeds)),
        )
        log = self.out / "logs" / f"{call.setting.name}.log"
        ended = self.prepare(options, log, runner)
        ended = ended and self.train(call, options, log, runner)
        self.progress.add(call.trials, trained=False)  # those left: done before, failed
        hashes: Dict[Path, str] = {}  # of the files as they are now
        for trial in call.trials:
            outcome = self.outcomes[trial]
            failure = read_tail(log) or "it did not start"
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
        conf = read_yaml(trial.student)
        conf["optim_conf"] = {**conf.get("optim_conf", {}), "lr": float(trial.rate)}
        with atomic_write(path) as f:
            yaml.safe_dump(conf, f, sort_keys=False)
        return str(path)

    def prepare(self, options: Options, log: Path, runner: Runner) -> bool:
        """Prepare the data, once for all settings that share them, and check them.

        Returns:
            Whether it went well.

        Raises:
            RuntimeError: there are results of another version of the corpus.
        """
        data = (options.datadir, options.teacher and options.teacher_dir)
        if data not in self.prepared:
            with runner.start(options.change(stop_stage=4), log) as process:
                process.join()
            if process.exitcode != 0:
                return False
            found = fingerprint_data(options.datadir)
            key = key_of(options.words(), DATA_OPTIONS)
            check_fingerprint(self.out / "corpora.json", key, found)
            self.prepared.add(data)
        return True

    def train(self, call: Call, options: Options, log: Path, runner: Runner) -> bool:
        """Train, decode and score; report each training that ends.

        Returns:
            Whether all stages came to their end.
        """
        begun, waiting = time.time(), call.trials
        for trial in waiting:
            (self.out / trial.directory / MARKER).unlink(missing_ok=True)
        with runner.start(options.change(stage=5), log) as process:
            ended = training = False
            while not ended:
                process.join(0.1)
                ended = not process.is_alive()  # then looks a last time
                if not training and has_students(Path(options.expdir), begun):
                    training = True
                    self.progress.begin()
                for trial in list(waiting):
                    done = self.out / trial.directory / ".train.done"
                    if done.is_file() and done.stat().st_mtime > begun:
                        waiting.remove(trial)
                        self.progress.add([trial], trained=True)
                        self.report(f"{trial.directory} is trained")
        return process.exitcode == 0

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
            setting: identify_teacher(Path(self.options_of(setting).teacher_cache))
            for setting in self.settings
        }
        outcomes = list(self.outcomes.values())
        write_tables(self.out, outcomes, teachers, self.records)
        summary = summarise_comparison(self.out, self.baseline)
        with atomic_write(self.out / "SUMMARY.md") as f:
            f.write(summary)
        return summary
