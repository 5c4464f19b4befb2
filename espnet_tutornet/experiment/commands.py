"""The jobs of an experiment: what each training, decoding and measuring runs.

Planning them needs neither torch nor ESPnet. It reads what the stages before made.
"""

import shlex
from pathlib import Path
from typing import List, Sequence, Tuple

from espnet_tutornet.experiment.handover import (
    copied_start,
    teacher_files,
    teacher_words,
)
from espnet_tutornet.experiment.plan import Plan, Run
from espnet_tutornet.experiment.training import Budget, make_config, write_config
from espnet_tutornet.experiment.traits import (
    OURS,
    STOCK,
    has_moments,
    host_of,
    search_words,
    start_from,
    takes_best_path,
    trainer_of,
    writes_text,
)
from espnet_tutornet.jobs.job import Job

STAGE_1_MODEL = "valid.loss_rkd.best.pth"  # what stage 2 starts from


class Commands:
    """Jobs of a plan.

    Args:
        plan: of the experiment; the working directory is that of the recipe.
    """

    def __init__(self, plan: Plan):
        self.options, self.layout, self.plan = plan.options, plan.layout, plan
        self.sources = {run.name: run.student for run in plan.runs()}

    def statistics_jobs(self) -> List[Job]:
        """Collect the statistics of the features, for each configuration.

        Of the transcribed audio: ESPnet collects none without a transcript.
        """
        layout = self.layout
        configs = dict.fromkeys([layout.teacher.train_config, *layout.students])
        jobs = []
        for config in filter(None, configs):
            stats = layout.stats_of(config)
            text = Path(layout.dump(layout.train_set, "text"))
            made = make_config([Path(config)], self.fs(), Budget(None, None, text))
            path = f"{stats}/collect.yaml"
            write_config(Path(path), [Path(config)], made)
            args = ["--collect_stats", "true", "--config", path]
            args += ["--output_dir", stats, *self.token_args()]
            args += [*self._data_args(layout.train_set), "--ngpu", "0"]
            depends = [path, *self._data_files(layout.train_set)]
            module = trainer_of(config)
            jobs.append(Job.within(stats, "collect", depends, module, args))
        return jobs

    def teacher_job(self) -> Job:
        """Train the teacher."""
        layout, epochs = self.layout, self.options.teacher_epochs
        config = layout.teacher.train_config
        return self._train(
            directory=layout.teacher.directory,
            configs=[config],
            data_set=layout.train_set,
            budget=self._budget(epochs, epochs, layout.train_set, layout.train_set),
            seed=0,
            depends=[],
            module=trainer_of(config),
            more=[],
        )

    def train_job(self, run: Run) -> Job:
        """Train a student, in one of its stages."""
        layout, options = self.layout, self.options
        learns = bool(run.overlay)
        first = run.stage_1
        data_set = self.plan.training_set(learns)
        epochs = options.total_epochs
        if run.first:
            epochs = options.stage_1_epochs
        elif first:
            epochs -= options.stage_1_epochs
        depends = teacher_files(layout) if learns else []
        more = teacher_words(layout) if learns else []
        configs = [run.student]
        if learns:
            configs.append(options.overlay_of(run.overlay))
        if first:
            directory = f"{options.expdir}/{first.name}"
            depends.insert(0, f"{directory}/.train.done")
            more += start_from(f"{directory}/{STAGE_1_MODEL}", configs[-1], learns)
        elif run.method.copies:
            copied, start = copied_start(layout, run.student, run.method.form)
            depends.insert(0, copied)
            more += start
        return self._train(
            directory=f"{options.expdir}/{run.name}",
            configs=configs,
            data_set=data_set,
            budget=self._budget(
                epochs, options.total_epochs, data_set, self.plan.training_set(True)
            ),
            seed=run.seed,
            depends=depends,
            module=self._trainer(run.student, learns),
            more=more,
        )

    def export_job(self, run: Run) -> Job:
        """Make a plain ESPnet model of a training."""
        directory = f"{self.options.expdir}/{run.name}"
        model = STAGE_1_MODEL if run.first else self.options.inference_asr_model
        depends = [f"{directory}/config.yaml", f"{directory}/.train.done"]
        args = ["--expdir", directory, "--checkpoint", model]
        return Job.within(directory, "export", depends, f"{OURS}.export_student", args)

    def decode_jobs(self, run: str, sets: Sequence[str], kind: str = "") -> List[Job]:
        """Decode sets by a run, or by the teacher.

        Args:
            run: its name.
            sets: their names; an encoder alone is not decoded.
            kind: directory of the decodings in place of ``decode_<inference>``, where
                CTC's best path is taken if the model has it.
        """
        layout, options = self.layout, self.options
        config, model = self.model_of(run)
        source = self.sources.get(run, config)
        best_path = takes_best_path(source, options.inference_config, bool(kind))
        jobs: List[Job] = []
        for name in sets if writes_text(source) else ():
            scp = f"{options.datadir}/{name}/wav.scp"
            directory = layout.decoded(run, name, kind)
            if best_path:
                module, args = f"{OURS}.best_path", ["--wav_scp", scp]
            else:
                module, args = self._search(run, config, scp)
            args += ["--asr_train_config", config, "--asr_model_file", model]
            args += ["--output_dir", f"{directory}/logdir"]
            depends = [config, model, options.inference_config, scp]
            if run != layout.teacher.name:  # it may wait for a training
                depends.append(f"{layout.dir_of(run)}/.export.done")
            jobs.append(Job.within(directory, "decode", depends, module, args))
        return jobs

    def _search(self, run: str, config: str, scp: str) -> Tuple[str, List[str]]:
        options = self.options
        host, args = host_of(self.sources.get(run, config)), []
        brought = run == self.layout.teacher.name and options.brings_teacher
        if brought or has_moments(scp, self.fs()):  # another release; too few samples
            host = OURS
        module = f"{host}.asr_inference"
        if options.use_streaming and run != self.layout.teacher.name:
            module = f"{STOCK}.asr_inference_streaming"
            args = ["--sim_chunk_length", str(options.sim_chunk_length)]
        args += search_words(self.sources.get(run, config), options.inference_config)
        args += ["--ngpu", str(int(options.gpu_inference))]
        args += ["--data_path_and_name_and_type", f"{scp},speech,sound"]
        return module, [*args, "--key_file", scp]

    def measure_job(self, run: str, name: str, scp: str, reuse: bool) -> Job:
        """Measure size and speed of a run.

        Args:
            run: its name.
            name: of the job.
            scp: audio to time on.
            reuse: take the numbers of a run of the same network.
        """
        directory, (config, model) = self.layout.dir_of(run), self.model_of(run)
        args = ["--expdir", self.options.expdir] if reuse else []
        args += ["--wav_scp", scp, "--models", f"{directory}={config}={model}"]
        depends = [config, model, *([scp] if reuse else [])]
        return Job.within(directory, name, depends, f"{OURS}.measure_models", args)

    def pack_job(self, run: Run) -> Job:
        """Pack a student; its card tells scores of both where the teacher has some."""
        options, layout = self.options, self.layout
        directory = f"{options.expdir}/{run.name}"
        depends = [
            f"{directory}/export/{file}" for file in ("model.pth", "config.yaml")
        ]
        args, module = ["--expdir", directory], f"{OURS}.pack_student"
        if not writes_text(layout.teacher.config):
            return Job.within(directory, "pack", depends, module, args)
        for name in (run.name, layout.teacher.name):
            depends.append(f"{layout.dir_of(name)}/measure.json")
            sets = [layout.decoded(name, each) for each in layout.test_sets]
            depends += [f"{folder}/score.json" for folder in sets]
        args += ["--inference_config", options.inference_config]
        if options.use_streaming:
            args += ["--sim_chunk_length", str(options.sim_chunk_length)]
        depends.append(options.inference_config)
        return Job.within(directory, "pack", depends, module, args)

    # Parts of jobs
    def model_of(self, run: str) -> Tuple[str, str]:
        """Return configuration and parameters of a run."""
        teacher = self.layout.teacher
        if run == teacher.name:
            return teacher.config, teacher.model
        export = f"{self.options.expdir}/{run}/export"
        return f"{export}/config.yaml", f"{export}/model.pth"

    def _train(
        self,
        directory: str,
        configs: List[str],
        data_set: str,
        budget: Budget,
        seed: int,
        depends: List[str],
        module: str,
        more: List[str],
    ) -> Job:
        path, files = f"{directory}/train.yaml", [Path(each) for each in configs]
        write_config(Path(path), files, make_config(files, self.fs(), budget))
        stats = f"{self.layout.stats_of(configs[0])}/train/feats_stats.npz"
        args = ["--config", path, "--output_dir", directory, "--seed", str(seed)]
        args += ["--resume", "true", *self.token_args(), *self._data_args(data_set)]
        args += [*self._gpu_args(), "--normalize", "global_mvn"]
        args += ["--normalize_conf", f"stats_file={stats}"]
        args += [*shlex.split(self.options.asr_args), *more]
        inputs = [path, *self._data_files(data_set), stats, *depends]
        resumes = (Path(directory, "checkpoint.pth"),)
        return Job.within(directory, "train", inputs, module, args, resumes)

    def _trainer(self, student: str, learns: bool) -> str:
        if learns:
            return f"{OURS}.tutornet_train"
        return trainer_of(student, masked=self.options.mask_padding == "all")

    def _budget(
        self, epochs: int, total_epochs: int, data_set: str, longest: str
    ) -> Budget:
        """Give a training its epochs, each as long as one of the set ``longest``."""
        layout, options = self.layout, self.options
        text = Path(layout.dump(longest, "text")) if longest != data_set else None
        return Budget(
            max_epoch=epochs,
            total_epochs=total_epochs,
            train_text=Path(layout.dump(data_set, "text")),
            epoch_text=text,
            processes=options.ngpu * options.num_nodes if options.ngpu else 1,
            arguments=shlex.split(options.asr_args),
        )

    def fs(self) -> int:
        """Return the sampling rate in Hz."""
        return int(Path(self.options.datadir, "fs").read_text().strip())

    def token_args(self) -> List[str]:
        """Return the arguments that name a student's tokens."""
        folder = Path(self.layout.tokendir)
        kind = (folder / "token_type").read_text().strip()
        args = ["--use_preprocessor", "true", "--token_type", kind]
        args += ["--token_list", f"{folder}/tokens.txt"]
        if (folder / "bpe.model").is_file():
            args += ["--bpemodel", f"{folder}/bpe.model"]
        if self.options.nlsyms_txt:
            args += ["--non_linguistic_symbols", self.options.nlsyms_txt]
        return args

    def _data_args(self, train_set: str) -> List[str]:
        args = []
        for mode, name in (("train", train_set), ("valid", self.layout.valid_set)):
            folder = self.layout.dump(name)
            option = f"--{mode}_data_path_and_name_and_type"
            args += [option, f"{folder}/wav.scp,speech,sound"]
            args += [option, f"{folder}/text,text,text"]
            args += [f"--{mode}_shape_file", f"{folder}/utt2num_samples"]
        return args

    def _data_files(self, train_set: str) -> List[str]:
        names = [train_set, self.layout.valid_set]
        files = [self.layout.dump(n, f) for n in names for f in ("wav.scp", "text")]
        files += [
            f"{self.layout.tokendir}/tokens.txt",
            *self.options.nlsyms_txt.split(),
        ]
        return files

    def _gpu_args(self) -> List[str]:
        ngpu, nodes = self.options.ngpu, self.options.num_nodes
        args = ["--ngpu", str(ngpu)]
        if ngpu > 1 or nodes > 1:
            args += ["--multiprocessing_distributed", "true"]
        if nodes > 1:
            args += ["--dist_launcher", "slurm", "--dist_master_port", "29500"]
        return args
