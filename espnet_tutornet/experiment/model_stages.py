"""The stages that make models: statistics, teacher, students, scores, packages."""

import hashlib
import json
import os
from pathlib import Path
from typing import List, Optional, Sequence

from espnet_tutornet.experiment.commands import Commands
from espnet_tutornet.experiment.handover import copy_checks, copy_jobs, split_sets
from espnet_tutornet.experiment.launcher import Launcher
from espnet_tutornet.experiment.layout import name_config
from espnet_tutornet.experiment.plan import Plan, Run
from espnet_tutornet.experiment.tables import format_size
from espnet_tutornet.experiment.traits import (
    check_writes_text,
    posteriors_to_keep,
    writes_text,
)
from espnet_tutornet.jobs.job import Job
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import read_yaml

CHECK = "check"  # directory of stage 7's decodings, in that of the teacher


class ModelStages:
    """Stages 5 to 14.

    Args:
        plan: of the experiment; the working directory is that of the recipe.
        launcher: runs their commands and jobs.
    """

    def __init__(self, plan: Plan, launcher: Launcher):
        self.options, self.plan, self.layout = plan.options, plan, plan.layout
        self.commands = Commands(plan)
        self.call, self.launch = launcher.call, launcher.launch

    def collect_statistics(self) -> None:
        """Collect the statistics of the features."""
        for words in copy_checks(self.layout, self.commands.fs()):
            self.call("copy_start", *words)
        self.launch("statistics", self.commands.statistics_jobs(), where="train")

    def train_teacher(self) -> None:
        """Train the teacher."""
        options = self.options
        cuda = options.ngpu > 0
        jobs = [self.commands.teacher_job()]
        self.launch("teacher", jobs, 1, options.nj, where="train", cuda=cuda)

    def check_teacher(self) -> None:
        """Decode the dev set by the teacher, and stop when it is too bad."""
        options, layout = self.options, self.layout
        teacher, name = layout.teacher, layout.valid_set
        scp = f"{options.datadir}/{name}/wav.scp"
        jobs = self.commands.decode_jobs(teacher.name, [name], CHECK)
        jobs.append(self.commands.measure_job(teacher.name, "measure", scp, False))
        cuda = options.gpu_inference
        self.launch("teacher check", jobs, 1, where="decode", cuda=cuda)
        if writes_text(teacher.config):
            self._gather([teacher.name], [name], CHECK)
            folder = layout.decoded(teacher.name, name, CHECK)
            limit = ("--wer_max", options.teacher_wer_max)
            measured = ("--measure", f"{teacher.directory}/measure.json")
            self._score([folder], *limit, *measured)
        else:
            print("the teacher is an encoder alone: it has no WER.", flush=True)
        if options.brings_teacher and not options.student_asr_config:
            self._tell_the_students()

    def _tell_the_students(self) -> None:
        """Say which students nobody chose, and how large they are."""
        layout, fs = self.layout, str(self.commands.fs())
        tokens = Path(layout.tokendir, "tokens.txt").read_text(encoding="utf-8")
        vocab_size = str(len(tokens.splitlines()))
        sizes = ("--vocab_size", vocab_size, "--fs", fs)
        self.call("measure_models", "--configs", *layout.students, *sizes)
        measured = Path(layout.teacher.directory, "measure.json").read_text()
        parameters = format_size(json.loads(measured)["parameters"])
        print(
            f"--student_asr_config names no student: {' '.join(layout.students)} is "
            f"taken, of the size above; the teacher has {parameters} parameters. "
            "conf/tuning has others.",
            flush=True,
        )

    def hand_over(self) -> None:
        """Keep the teacher's outputs for all students, its text, copies of blocks."""
        if self.layout.keeps_outputs:
            self._keep_outputs()
        if self.layout.copied_forms:
            jobs = copy_jobs(self.layout, self.commands.fs())
            self.launch("copied blocks", jobs, 1)
        if self.plan.takes_text:
            self._take_text()

    def _take_text(self) -> None:
        """Have the teacher's text, or that of others, as transcripts."""
        options, layout, plan = self.options, self.layout, self.plan
        files = [options.pseudo_text]
        if not options.pseudo_text:
            check_writes_text(layout.teacher.config)
            how = options.pseudo_inference_config or options.inference_config
            commands = Commands(Plan(options.change(inference_config=how)))
            parts = split_sets(layout, plan.text_sets)
            jobs = commands.decode_jobs(layout.teacher.name, parts)
            cuda = options.gpu_inference
            nj = 1 if cuda else options.inference_nj or options.nj
            self.launch("teacher's text", jobs, nj, where="decode", cuda=cuda)
            folders = (commands.layout.decoded(layout.teacher.name, p) for p in parts)
            files = [f"{folder}/logdir/1best_recog/text" for folder in folders]
        words = ["--texts", *files, "--audio_dir", layout.dump(layout.audio_set)]
        words += ["--out_dir", layout.dump(plan.training_set(False))]
        words += ["--out_dir_all", layout.dump(plan.training_set(True))]
        words += ["--fs", str(self.commands.fs()), "--configs", *layout.students]
        words += ["--labelled"] if options.pseudo_labelled == "true" else []
        for name in ("score_min", "rate_slack", "wer_max"):
            value = getattr(options, f"pseudo_{name}")
            words += [f"--{name}={value}"] if value else []  # it may be below zero
        words += ["--text_case", options.text_case, "--cleaner", options.cleaner]
        self.call("pseudo_text", *words, *self.commands.token_args()[2:])

    def _keep_outputs(self) -> None:
        options, layout = self.options, self.layout
        teacher, valid = layout.teacher, layout.dump(layout.valid_set)
        backend = os.environ.get("cmd_backend", "local")
        conf = os.environ.get("cmd_conf", "")
        top_k = posteriors_to_keep(teacher.config, layout.methods, options.top_k)
        self.call(
            "dump_teacher",
            *("--teacher_config", teacher.config, "--teacher_model", teacher.model),
            *("--data_dirs", layout.dump(layout.audio_set), valid),
            *("--out_dir", layout.cache, "--fs", str(self.commands.fs())),
            *("--layers", *options.teacher_layers.split()),
            *("--hidden_form", options.hidden_form, "--top_k", str(top_k)),
            *("--nj", str(options.nj), "--ngpu", str(options.ngpu)),
            *(["--stock_padding"] if options.mask_padding == "none" else []),
            *("--check_dir", valid, "--check_decoded"),
            layout.decoded(teacher.name, layout.valid_set, CHECK),
            *("--backend", backend, *(["--backend_conf", conf] if conf else [])),
        )

    def train_first(self) -> None:
        """Train stage 1: RKD."""
        self.train(self.plan.first_runs(), "RKD")

    def train_second(self) -> None:
        """Train stage 2: SKD with the task loss, started from stage 1."""
        self.train(self.plan.two_stage_runs(), "RKD, then SKD")

    def train_others(self) -> None:
        """Train the students that these are compared with."""
        self.train(self.plan.other_runs(), "comparison")

    def train(self, runs: Sequence[Run], title: str, decode: bool = False) -> None:
        """Train students and export them, loading ESPnet once.

        Args:
            runs: students.
            title: of the progress bar.
            decode: decode them, too, by processes that have no training left.
        """
        trainings = [self.commands.train_job(run) for run in runs]
        exports = [self.commands.export_job(run) for run in runs]
        for run in runs:
            if not run.first:
                self.describe(run)
        cuda = self.options.ngpu > 0
        nj = 1 if cuda else self.options.nj
        options = dict(nj=nj, keep_going=self.options.keep_going)
        if self.options.num_nodes > 1:  # each machine runs the jobs of its launch
            self.launch(title, trainings, where="train", cuda=cuda, **options)
            self.launch(title, exports, **options)
        else:
            jobs = [*trainings, *exports]
            if decode:
                names = [run.name for run in runs if not run.first]
                jobs += self._decode_jobs([self.layout.teacher.name, *names])
            self.launch(title, jobs, where="train", cuda=cuda, **options)

    def decode(self) -> None:
        """Decode the test sets by the teacher and by all students."""
        names = self._scored()
        jobs, cuda = self._decode_jobs(names), self.options.gpu_inference
        nj = 1 if cuda else self.options.inference_nj or self.options.nj
        options = dict(keep_going=self.options.keep_going, cuda=cuda)
        self.launch("decoding", jobs, nj, where="decode", **options)
        self._gather(names, self.layout.test_sets)

    def score(self) -> None:
        """Score what is decoded, measure the models, and write the tables."""
        options, layout = self.options, self.layout
        scp, expdir = f"{options.datadir}/{layout.test_sets[0]}/wav.scp", options.expdir
        names = self._scored()
        self._score([folder for name in names for folder in self._decoded(name)])
        jobs = [self.commands.measure_job(name, "cost", scp, True) for name in names]
        # one at a time: they are timed
        self.launch("measuring", jobs, 1, keep_going=options.keep_going)
        self.call("report", "--expdir", expdir)

    def pack(self) -> None:
        """Pack the students, each with a model card."""
        jobs = [self.commands.pack_job(run) for run in self.plan.trained_runs()]
        self.launch("packing", jobs, keep_going=self.options.keep_going)

    # Parts of stages
    def _decode_jobs(self, names: Sequence[str]) -> List[Job]:
        sets = self.layout.test_sets
        return [job for name in names for job in self.commands.decode_jobs(name, sets)]

    def describe(self, run: Optional[Run], model: str = "") -> None:
        """Write ``run.yaml``: what the results table says of a run.

        Args:
            run: a student; None: the teacher.
            model: hash of the parameters that are scored, where there are some.
        """
        teacher = self.layout.teacher
        lines = {"student": teacher.name, "teacher": teacher.name, "method": "teacher"}
        if run:
            lines.update(student=name_config(run.student), method=run.method.name)
            lines.update(
                seed=str(run.seed), total_epochs=str(self.options.total_epochs)
            )
            lines["config"] = run.student
        else:
            epochs = read_yaml(Path(teacher.config)).get("max_epoch", "")
            lines.update(seed="0", total_epochs=str(epochs), config=teacher.config)
        if model:
            lines["model"] = model
        folder = Path(self.layout.dir_of(run.name if run else teacher.name))
        with atomic_write(folder / "run.yaml") as f:
            for key, value in lines.items():
                print(f"{key}: {value}", file=f)

    def _scored(self) -> List[str]:
        """Describe the teacher and the students that are trained; list their names."""
        runs: List[Optional[Run]] = [None, *self.plan.trained_runs()]
        names = []
        for run in runs:
            name = run.name if run else self.layout.teacher.name
            self.describe(run, self._hash(name))
            names.append(name)
        return names

    def _hash(self, name: str) -> str:
        model = Path(self.commands.model_of(name)[1])
        with model.open("rb") as f:
            return f"sha256-{hashlib.file_digest(f, 'sha256').hexdigest()[:16]}"

    def _decoded(self, name: str) -> List[str]:
        """List the directories of the sets that a run has decoded.

        All of them, but what failed with ``keep_going``: its old score goes.
        """
        teacher, folders = self.layout.teacher, []
        if name == teacher.name and not writes_text(teacher.config):
            return folders
        for each in self.layout.test_sets:
            folder = self.layout.decoded(name, each)
            if self.options.keep_going and not Path(folder, ".decode.done").is_file():
                Path(folder, "score.json").unlink(missing_ok=True)
            else:
                folders.append(folder)
        return folders

    def _gather(
        self, names: Sequence[str], sets: Sequence[str], kind: str = ""
    ) -> None:
        """Put the hypotheses, sorted, where scoring looks for them.

        And beside them the hash of the model that they are of.
        """
        for name in names:
            folders = [Path(self.layout.decoded(name, each, kind)) for each in sets]
            folders = [folder for folder in folders if _is_decoded_anew(folder)]
            model = self._hash(name) if folders else ""
            for folder in folders:
                source = folder / "logdir/1best_recog/text"
                lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
                with atomic_write(folder / "model") as f:
                    print(model, file=f)
                with atomic_write(folder / "text") as f:
                    f.writelines(sorted(lines))

    def _score(self, folders: Sequence[str], *more: str) -> None:
        options = self.options
        words = ["--dumpdir", options.datadir, "--backend", options.score_backend]
        words += ["--non_linguistic_symbols", options.nlsyms_txt]
        words += ["--nj", str(options.nj), *more]
        self.call("score", *words, "--decode_dirs", *folders)


def _is_decoded_anew(folder: Path) -> bool:
    done, text = folder / ".decode.done", folder / "text"
    if not done.is_file():
        return False
    return not text.is_file() or text.stat().st_mtime <= done.stat().st_mtime
