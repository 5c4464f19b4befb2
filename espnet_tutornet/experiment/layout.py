"""Where an experiment reads and writes: sets, directories and files of its options.

Nothing is read from the disk here, and the standard library is enough.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Tuple, Union

from espnet_tutornet.data.corpora.sets import CORPORA
from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.methods import Method
from espnet_tutornet.experiment.options import SOURCES, Options

PSEUDO = "_pseudo"  # what the name of a set with a recogniser's text ends with


def name_config(config: str) -> str:
    """Return the name of a configuration in those of its runs.

    Example:
        >>> name_config("conf/tuning/train_student_rnn.yaml")
        'student_rnn'
    """
    return Path(config).stem.removeprefix("train_")


def name_decoding(inference_config: Union[str, Path]) -> str:
    """Return the name of a decoding in those of its directories.

    Example:
        >>> name_decoding("conf/decode_ctc_bs1.yaml")
        'ctc_bs1'
    """
    return Path(inference_config).stem.removeprefix("decode_")


@dataclass(frozen=True)
class Teacher:
    """The teacher of an experiment.

    Attributes:
        name: among the runs.
        directory: where it lives.
        config: ESPnet's config.yaml, and
        model: .pth.
        train_config: what it is trained with here; empty: it is brought.
    """

    name: str
    directory: str
    config: str
    model: str
    train_config: str = ""


class Layout:
    """Sets, directories and files.

    Args:
        options: of the experiment.

    Raises:
        UsageError: options that do not go together.

    Example:
        >>> layout = Layout(Options(methods="none", speed_perturb_factors="0.9"))
        >>> layout.train_set, layout.teacher.name, layout.stats_of("conf/train_a.yaml")
        ('train_clean_sp', 'teacher_mini', 'exp/stats_a')
    """

    def __init__(self, options: Options):
        self.options = options
        self.methods = [Method.parse(name) for name in options.methods.split()]
        corpus = CORPORA[options.corpus]
        own = any(getattr(options, name) for name in SOURCES)
        own = own or (options.corpus == "mini" and options.train_set)
        suffix = f"_{corpus.size}" if corpus.size and not own else ""
        self.students: List[str] = (
            options.student_asr_config or f"conf/train_student{suffix}.yaml"
        ).split()
        self._teacher_config = (
            options.teacher_asr_config or f"conf/train_teacher{suffix}.yaml"
        )
        self.labelled_sets = (options.train_set or corpus.train_sets).split()
        self.valid_set = options.valid_set or corpus.valid_set
        self.clean_test_sets = (options.test_sets or corpus.test_sets).split()
        self._check()

    def _check(self) -> None:
        sources = [f"--{name}" for name in SOURCES if getattr(self.options, name)]
        if len(sources) > 1:
            raise UsageError(f"{' and '.join(sources)}: give one source of data.")
        channel = self.options.channel
        if channel not in ("", "mix") and not channel.isdecimal():
            raise UsageError(
                f"--channel must be mix or a number from 0, got {channel}."
            )
        for name in self.options.noisy_sets.split():
            if name not in self.clean_test_sets:
                raise UsageError(
                    f"--noisy_sets: {name} is not one of --test_sets, "
                    f"{' '.join(self.clean_test_sets)}."
                )
        if self.options.num_labelled and len(self.labelled_sets) > 1:
            raise UsageError(
                "--num_labelled takes transcripts from one train_set, got "
                f"{' '.join(self.labelled_sets)}. Give the others as --unlabelled_sets."
            )
        names: Dict[str, str] = {}
        for config in self.students:
            other = names.setdefault(name_config(config), config)
            if other != config:
                raise UsageError(
                    f"--student_asr_config: {other} and {config} have one name. Rename "
                    "one."
                )
        total, first = self.options.total_epochs, self.options.stage_1_epochs
        if any(method.trains_first for method in self.methods) and first >= total:
            raise UsageError(
                f"--rkd_epochs {self.options.rkd_epochs} must be under --total_epochs "
                f"{total}."
            )
        for method in self.methods:
            for name in method.overlays:
                path = self.options.overlay_of(name)
                if not Path(path).is_file():
                    raise UsageError(
                        f"--methods: {method.name} needs {path}, which is not there. "
                        "Write it, or use none, skd, rkd_task, rkd_skd or other files "
                        "of --conf_dir."
                    )

    # Methods
    @property
    def copied_forms(self) -> List[str]:
        """The forms of stage 1 that copy blocks of the teacher."""
        return list(dict.fromkeys(m.form for m in self.methods if m.copies))

    @property
    def uses_posteriors(self) -> bool:
        """Whether any method learns the teacher's posteriors."""
        return any(method.criterion for method in self.methods)

    @property
    def uses_teacher(self) -> bool:
        """Whether any student learns from the teacher."""
        return any(method.needs_teacher for method in self.methods)

    @property
    def keeps_outputs(self) -> bool:
        """Whether the teacher's outputs are kept for any student."""
        wanted = self.options.teacher_outputs == "cache"
        return wanted and any(m.criterion or m.trains_first for m in self.methods)

    # Sets
    @cached_property
    def test_sets(self) -> List[str]:
        """What is decoded: the test sets and their copies with noise."""
        noisy = [f"{name}_noisy" for name in self.options.noisy_sets.split()]
        return [*self.clean_test_sets, *noisy]

    @property
    def prepared_sets(self) -> List[str]:
        """What stage 1 prepares with transcripts."""
        names = [*self.labelled_sets, self.valid_set, *self.clean_test_sets]
        return list(dict.fromkeys(names))

    @property
    def train_sets(self) -> List[str]:
        """Data directories with transcripts to train on, before perturbation."""
        if self.options.num_labelled:
            return [f"{self.labelled_sets[0]}_with{self.options.num_labelled}"]
        return self.labelled_sets

    @property
    def hidden_sets(self) -> List[str]:
        """Data directories without transcripts to train on, before perturbation."""
        names = [f"{name}_unlabelled" for name in self.options.unlabelled_sets.split()]
        if self.options.num_labelled:
            label = f"{self.labelled_sets[0]}_without{self.options.num_labelled}"
            names.append(label)
        return names

    @property
    def _perturbed(self) -> str:
        return "_sp" if self.options.speed_perturb_factors else ""

    @property
    def train_set(self) -> str:
        """What can be trained with the task loss."""
        return "+".join(self.train_sets) + self._perturbed

    @property
    def audio_set(self) -> str:
        """What the teacher is heard about."""
        return "+".join([self.train_set, *self.hidden_sets])

    def data_dirs(self, names: List[str], derived: bool = True) -> List[str]:
        """Return their data directories, after speed perturbation or before."""
        suffix = self._perturbed if derived else ""
        return [f"{self.options.datadir}/{name}{suffix}" for name in names]

    def dump(self, name: str, file: str = "") -> str:
        """Return the directory of a filtered set, or a file in it."""
        own = name.endswith(PSEUDO)  # depends on the teacher: the experiment's own
        top = f"{self.options.expdir}/data" if own else self.options.dumpdir
        return f"{top}/{name}" + (f"/{file}" if file else "")

    # Tokens
    @property
    def takes_teacher_tokens(self) -> bool:
        """Whether the tokens are a brought teacher's; SKD compares them."""
        options = self.options
        wanted = options.token_type == "teacher" or options.student_tokens == "seen"
        return wanted or (options.brings_teacher and self.uses_posteriors)

    @property
    def token_name(self) -> str:
        """Kind of the tokens."""
        if self.takes_teacher_tokens:
            seen = self.options.student_tokens == "seen"
            return "teacher_seen" if seen else "teacher"
        kind = self.options.token_type
        return kind if kind == "char" else f"{kind}{self.options.nbpe}"

    @property
    def tokendir(self) -> str:
        """Directory of the token list."""
        return f"{self.options.datadir}/token_list/{self.token_name}"

    # Models
    @cached_property
    def teacher(self) -> Teacher:
        """The teacher and its files."""
        options = self.options
        if options.brings_teacher:
            name = "teacher"
            directory = options.teacher_dir or f"{options.expdir}/{name}"
            files = f"{directory}/config.yaml", f"{directory}/model.pth"
            return Teacher(name, directory, *files)
        name = name_config(self._teacher_config)
        directory = options.teacher_dir or f"{options.expdir}/{name}"
        model = f"{directory}/{options.inference_asr_model}"
        config = f"{directory}/config.yaml"
        return Teacher(name, directory, config, model, self._teacher_config)

    @property
    def cache(self) -> str:
        """Directory of the teacher's outputs."""
        return self.options.teacher_cache or f"{self.teacher.directory}/outputs"

    def start_of(self, config: str, form: str) -> str:
        """Return the directory of what a student begins as: copied blocks."""
        return f"{self.options.expdir}/starts/{name_config(config)}_{form}"

    def dir_of(self, run: str) -> str:
        """Return the directory of a run, the teacher's among them."""
        if run == self.teacher.name:
            return self.teacher.directory
        return f"{self.options.expdir}/{run}"

    def stats_of(self, config: str) -> str:
        """Return the directory of the statistics that a model is normalised by."""
        if self.options.teacher_dir and config == self.teacher.train_config:
            return f"{self.options.teacher_dir}/stats"
        return f"{self.options.expdir}/stats_{name_config(config)}"

    def decoded(self, run: str, name: str, kind: str = "") -> str:
        """Return where a set is decoded by a run."""
        decoding = name_decoding(self.options.inference_config)
        return f"{self.dir_of(run)}/{kind or f'decode_{decoding}'}/{name}"

    def missing_before(self, stage: int) -> Tuple[int, str]:
        """Return the stage that has to run before ``stage``, and the file it makes.

        0 and nothing where all that comes before is there.
        """
        options = self.options
        learns = self.uses_teacher or options.stop_stage >= 12
        last = self.teacher.model if self.teacher.train_config and learns else ""
        made = (
            (1, f"{options.datadir}/fs"),
            (3, self.dump(self.train_set, "wav.scp")),
            (4, f"{self.tokendir}/tokens.txt"),
            (6, last),
        )
        for maker, file in made:
            if stage > maker and file and not Path(file).exists():
                return maker, file
        return 0, ""
