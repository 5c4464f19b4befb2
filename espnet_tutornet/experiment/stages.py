"""Run the stages of an experiment, one by one or all that are asked for."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict

from espnet_tutornet.experiment.data_stages import DataStages
from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.launcher import Launcher, run_command
from espnet_tutornet.experiment.model_stages import ModelStages
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.experiment.plan import Plan
from espnet_tutornet.experiment.traits import is_best_path, is_transducer
from espnet_tutornet.utils.environment import check_pair, list_versions
from espnet_tutornet.utils.lock import hold

DATA_SH = "local/data.sh"  # of the recipe: makes the data directories
TRAINING_STAGES = (9, 10, 11)


class Stages:
    """The stages of an experiment.

    Args:
        options: of the experiment; the working directory is that of the recipe.

    Raises:
        UsageError: options that do not go together.
    """

    def __init__(self, options: Options):
        self.options, self.plan = options, Plan(options)
        self.layout, self.launcher = self.plan.layout, Launcher(options)
        self.data = DataStages(self.plan, self.launcher)
        self.models = ModelStages(self.plan, self.launcher)

    def check(self) -> None:
        """Check what only shows where the package is installed, before stage 1.

        Raises:
            UsageError: a stage before the first has not run, this machine lacks GPUs
                that are asked for, or the decoding does not go with other options.
        """
        options = self.options
        self._check_gpus()
        maker, file = self.plan.missing_before(options.stage)
        if maker and options.stage <= options.stop_stage:
            raise UsageError(
                f"--stage {options.stage}: {file} is not there, which stage {maker} "
                f"makes. Start with --stage {maker}."
            )
        for name, asked in (
            ("use_streaming", options.use_streaming),
            ("gpu_inference", options.gpu_inference),
        ):
            if asked and is_best_path(options.inference_config):
                raise UsageError(
                    f"--{name} true: {options.inference_config} decodes whole "
                    "utterances on a CPU. Give a search of ESPnet's."
                )
        transducers = [each for each in self.layout.students if is_transducer(each)]
        if options.use_streaming and transducers:
            raise UsageError(
                f"--use_streaming true: {transducers[0]} is a transducer, which "
                "ESPnet's asr_inference_streaming does not decode. Leave it out."
            )
        if options.teacher_dir:
            self._link_teacher()

    def _check_gpus(self) -> None:
        options = self.options
        local = {
            6: not os.environ.get("train_cmd"),
            8: os.environ.get("cmd_backend", "local") == "local",
            12: options.gpu_inference and not os.environ.get("decode_cmd"),
        }
        local.update(dict.fromkeys(TRAINING_STAGES, local[6]))
        stages = [n for n in self.plan.stages() if local.get(n)]
        if not options.ngpu:
            stages = [n for n in stages if n == 12]
        wanted = max(options.ngpu, int(options.gpu_inference))
        if not wanted or not stages:
            return
        # elsewhere: this process may fork jobs that use CUDA
        code = "import torch; print(torch.cuda.device_count())"
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE)
        found = int(done.stdout or 0)
        if found < wanted:
            raise UsageError(
                f"--ngpu {options.ngpu}: PyTorch finds {found} GPUs on this machine, "
                f"expected at least {wanted} (stages: {' '.join(map(str, stages))}). "
                "Use --ngpu 0, look at nvidia-smi and CUDA_VISIBLE_DEVICES, or have "
                "other machines train: train_cmd and cmd_backend in cmd.sh."
            )

    def show_versions(self) -> None:
        """Show the versions that results depend on, and which extras are there."""
        for line in list_versions():
            print(line)
        check_pair()

    def _link_teacher(self) -> None:
        """Show a teacher that lives elsewhere among the runs."""
        options, teacher = self.options, self.layout.teacher
        link = Path(options.expdir, teacher.name)
        if link.exists() and not link.is_symlink():
            raise UsageError(
                f"--teacher_dir {options.teacher_dir}: {link} holds a teacher already. "
                "Remove it or give another --expdir."
            )
        Path(options.teacher_dir).mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()
        link.symlink_to(Path(options.teacher_dir).resolve())

    def run(self, number: int) -> None:
        """Run one stage."""
        self._steps()[number]()

    def _steps(self) -> Dict[int, Callable[[], None]]:
        return {
            0: self.show_versions,
            1: self.data.make_data,
            2: self.data.derive,
            3: self.data.filter_durations,
            4: self.data.make_tokens,
            5: self.models.collect_statistics,
            6: self.models.train_teacher,
            7: self.models.check_teacher,
            8: self.models.hand_over,
            9: self.models.train_first,
            10: self.models.train_second,
            11: self.models.train_others,
            12: self.models.decode,
            13: self.models.score,
            14: self.models.pack,
        }

    def _decodes_as_it_trains(self) -> bool:
        """Tell whether decodings can share processes with trainings."""
        options, elsewhere = self.options, ("train_cmd", "decode_cmd")
        apart = options.uses_gpus or any(map(os.environ.get, elsewhere))
        return not apart and options.inference_nj in (0, options.nj)

    def run_all(self) -> None:
        """Run the stages that are asked for; the students train in one launch."""
        with hold(Path(self.options.expdir), "another run"):
            self.check()
            self.launcher.bare = self.options.uses_gpus
            steps = self._steps()
            stages = [n for n in self.plan.stages() if n in steps]
            training = [n for n in stages if n in TRAINING_STAGES]
            for number in stages:
                print(f"Stage {number}: {steps[number].__doc__}", flush=True)
                if number == 1:
                    command = [DATA_SH, *self.options.given()]
                    environment = {**os.environ, "python": sys.executable}
                    run_command(command, environment)
                    self.data.format()
                elif number not in training:
                    steps[number]()
                elif number == training[-1]:
                    plan = self.plan
                    kinds = (plan.first_runs, plan.two_stage_runs, plan.other_runs)
                    of = dict(zip(TRAINING_STAGES, kinds))
                    runs = [run for stage in training for run in of[stage]()]
                    decode = 12 in stages and self._decodes_as_it_trains()
                    self.models.train(runs, "students", decode)
