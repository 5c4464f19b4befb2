"""The plan of an experiment: options -> runs (student x method x seed), stage by stage.

What a method means is decided here, for ``run.sh`` and for ``compare``; the jobs of the
runs are in :mod:`espnet_tutornet.experiment.commands`. The standard library is enough.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Optional, Tuple

from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.layout import PSEUDO, Layout, name_config
from espnet_tutornet.experiment.methods import Method
from espnet_tutornet.experiment.options import LAST_STAGE, Options


def name_run(student: str, what: str, seed: int) -> str:
    """Return the name of a training's directory; ``what`` is a method or a form."""
    return f"{student}_{what}_seed{seed}"


@dataclass(frozen=True)
class Run:
    """One training of a student: its stage 1, or what makes it a row of the table.

    Attributes:
        student: configuration.
        method: what it learns by.
        seed: of the training.
        first: whether this is stage 1 alone, which runs of one form share.
    """

    student: str
    method: Method
    seed: int
    first: bool = False

    @property
    def name(self) -> str:
        """Name of its directory."""
        what = self.method.form if self.first else self.method.name
        return name_run(name_config(self.student), what, self.seed)

    @property
    def stage_1(self) -> Optional["Run"]:
        """The run that it starts from."""
        if self.first or not self.method.trains_first:
            return None
        return Run(self.student, self.method, self.seed, first=True)

    @property
    def overlay(self) -> str:
        """What is laid over the student's configuration; empty: nothing."""
        return self.method.form if self.first else self.method.criterion


class Plan:
    """Runs of an experiment.

    Args:
        options: of the experiment. Paths in them start from the recipe's directory,
            which has to be the working directory.

    Raises:
        UsageError: options that do not go together.

    Example:
        >>> plan = Plan(Options(methods="none", student_asr_config="a.yaml b.yaml"))
        >>> [run.name for run in plan.runs()]
        ['a_none_seed1', 'b_none_seed1']
        >>> 9 in plan.stages(), 11 in plan.stages()
        (False, True)
    """

    def __init__(self, options: Options):
        self.options, self.layout = options, Layout(options)
        self._check_text()

    # Data
    @property
    def takes_text(self) -> bool:
        """Whether a recogniser's text becomes transcripts."""
        return bool(self.options.pseudo_text or self.options.pseudo_labels == "true")

    @property
    def text_sets(self) -> List[str]:
        """The sets, before perturbation, that text is wanted of."""
        too = self.options.pseudo_labelled == "true"
        return [*self.layout.hidden_sets, *(self.layout.train_sets if too else [])]

    def training_set(self, learns: bool) -> str:
        """Return the set that a student trains on.

        Args:
            learns: whether from the teacher's outputs; it takes all audio then.
        """
        layout = self.layout
        if not self.takes_text:
            return layout.audio_set if learns else layout.train_set
        return f"{layout.audio_set}{'_all' if learns else ''}{PSEUDO}"

    def missing_before(self, stage: int) -> Tuple[int, str]:
        """Return the stage that has to run before, as of :class:`Layout`."""
        maker, file = self.layout.missing_before(stage)
        text = self.layout.dump(self.training_set(False), "text")
        if not maker and stage > 8 and self.takes_text and not Path(text).exists():
            return 8, text
        return maker, file

    def _check_text(self) -> None:
        options = self.options
        if options.pseudo_text and options.pseudo_labels == "true":
            raise UsageError(
                "--pseudo_labels true asks the teacher for its text, --pseudo_text "
                "is that of others: give one of them."
            )
        if self.takes_text and not self.text_sets:
            raise UsageError(
                "pseudo text is of audio without transcripts, but there is none. Give "
                "--unlabelled_sets, --num_labelled, or --pseudo_labelled true."
            )
        for name in ("pseudo_score_min", "pseudo_rate_slack", "pseudo_wer_max"):
            value = getattr(options, name)
            if value and not re.fullmatch(r"-?\d+(\.\d+)?", value):
                raise UsageError(f"--{name} must be a number, got {value}.")

    # Runs
    def first_runs(self) -> List[Run]:
        """List the trainings of stage 1: one for each form, student and seed."""
        methods = {m.form: m for m in self.layout.methods if m.trains_first}
        return self._runs(methods.values(), first=True)

    def two_stage_runs(self) -> List[Run]:
        """List the trainings that go on from stage 1 with a criterion."""
        found = [m for m in self.layout.methods if m.trains_first and m.criterion]
        return self._runs(found)

    def other_runs(self) -> List[Run]:
        """List the other trainings, those that go on with the task loss among them."""
        methods = self.layout.methods
        return self._runs(m for m in methods if not (m.trains_first and m.criterion))

    def runs(self) -> List[Run]:
        """List what is decoded and scored, in the order of the methods."""
        return self._runs(self.layout.methods)

    def trained_runs(self) -> List[Run]:
        """List the runs, with ``keep_going`` those that came to an end."""
        if not self.options.keep_going:
            return self.runs()
        expdir = Path(self.options.expdir)
        return [r for r in self.runs() if (expdir / r.name / ".export.done").is_file()]

    def _runs(self, methods: Iterable[Method], first: bool = False) -> List[Run]:
        return [
            Run(student, method, int(seed), first)
            for method in methods
            for student in self.layout.students
            for seed in self.options.seeds.split()
        ]

    def stages(self) -> List[int]:
        """List the stages that are asked for and have something to do."""
        layout, options = self.layout, self.options
        idle = {
            2: not (options.speed_perturb_factors or options.noisy_sets),
            6: not layout.teacher.train_config,
            8: not (layout.keeps_outputs or layout.copied_forms or self.takes_text),
            9: not self.first_runs(),
            10: not self.two_stage_runs(),
            11: not self.other_runs(),
        }
        return [
            n for n in range(LAST_STAGE + 1) if options.is_asked(n) and not idle.get(n)
        ]
