"""Trials of a comparison: its trainings, where they live and what they depend on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from espnet_tutornet.compare.grid import Setting, Values
from espnet_tutornet.data.fingerprint import hash_corpus
from espnet_tutornet.experiment.layout import name_config
from espnet_tutornet.experiment.methods import Method
from espnet_tutornet.experiment.options import RENAMED, Options
from espnet_tutornet.experiment.plan import name_run
from espnet_tutornet.utils.reading import parse_yaml

# of the data, and newer than the keys of earlier comparisons
NEWER_DATA = ("text_case", "cleaner", "kaldi_dir", "manifest", "channel", "nlsyms_txt")
BROUGHT = ("teacher", "teacher_asr_train_config", "teacher_asr_model_file")
DATA_OPTIONS = (
    *("corpus", "corpus_dir", "train_set", "valid_set", "test_sets", "fs"),
    *("unlabelled_sets", "num_labelled", "speed_perturb_factors", "token_type", "nbpe"),
    *("noisy_sets", "noise_db", "min_wav_duration", "max_wav_duration"),
    *BROUGHT,
    *(*NEWER_DATA, "student_tokens"),
)
ABOUT_TEACHER = ("teacher_model", "teacher_fs", "teacher_lang", "teacher_task")
# empty, they leave older keys as they were
NEWER = (*NEWER_DATA, "student_tokens", *ABOUT_TEACHER)
TEACHER_OPTIONS = (
    *("teacher_asr_config", "teacher_epochs", "inference_asr_model", "asr_args"),
    *("ngpu", *ABOUT_TEACHER),
)
CACHE_OPTIONS = ("teacher_layers", "hidden_form", "top_k", "mask_padding")
# what a result does not depend on, or what is hashed by its content
UNRELATED = ("stage", "stop_stage", "skip_stages", "python", "nj", "datadir", "dumpdir")
UNRELATED += ("expdir", "teacher_dir", "teacher_cache", "keep_going", "methods")
UNRELATED += ("student_asr_config", "seeds", "rkd_config", "skd_config", "conf_dir")
UNRELATED += ("corpus_dir", "inference_nj", "gpu_inference")
# names in hashes stay what they were: records of earlier comparisons stand
HASHED_AS = {new: old for old, new in RENAMED.items()}
HASHED_AS["teacher_asr_model_file"] = "teacher_model"
HASHED_AS["teacher_model"] = "teacher_checkpoint"


@dataclass(frozen=True)
class Trial:
    """One training with what goes before and after it: a run of the results table.

    Attributes:
        setting: what it is compared within.
        student: configuration.
        method: as ``run.sh --methods`` takes it.
        seed: of the training.
        rate: learning rate; empty: that of the configuration.
    """

    setting: Setting
    student: str
    method: str
    seed: int
    rate: str = ""

    @property
    def student_name(self) -> str:
        """Name of the configuration."""
        return name_config(self.student)

    @property
    def config_name(self) -> str:
        """Name of the configuration with the learning rate, as run.sh shows it."""
        return self.student_name + (f"_lr{self.rate}" if self.rate else "")

    @property
    def directory(self) -> str:
        """Directory of the run, below that of the comparison."""
        run = name_run(self.config_name, self.method, self.seed)
        return f"exp/{self.setting.name}/{run}"

    @property
    def first_directory(self) -> str:
        """Directory of its stage 1, empty where it has none."""
        method = Method.parse(self.method)
        run = name_run(self.config_name, method.form, self.seed)
        return f"exp/{self.setting.name}/{run}" if method.trains_first else ""


@dataclass(frozen=True)
class Call:
    """Trials that one call of run.sh runs: all combinations of these."""

    setting: Setting
    students: Tuple[Tuple[str, str], ...]  # configuration, learning rate
    methods: Tuple[str, ...]
    seeds: Tuple[int, ...]

    @property
    def trials(self) -> List[Trial]:
        """The trials, method by method as run.sh runs them."""
        return [
            Trial(self.setting, student, method, seed, rate)
            for method in self.methods
            for student, rate in self.students
            for seed in self.seeds
        ]


def plan_search(setting: Setting) -> List[Trial]:
    """List the trials of the search: each rate for each student and method.

    A single rate is not searched for: there are none.
    """
    if len(setting.learning_rates) < 2:
        return []
    students = [(s, rate) for s in setting.students for rate in setting.learning_rates]
    return Call(setting, tuple(students), setting.methods, setting.search_seeds).trials


def plan_trials(setting: Setting, rates: Mapping[Tuple[str, str], str]) -> List[Trial]:
    """List the trials that are compared.

    Args:
        setting: the setting.
        rates: learning rate by student and method; one that is not there is the single
            one of the setting, or else that of the configuration.

    Raises:
        ValueError: two configurations have one name.
    """
    alone = setting.learning_rates[0] if len(setting.learning_rates) == 1 else ""
    trials = [
        Trial(setting, student, method, seed, rates.get((student, method), alone))
        for method in setting.methods
        for student in setting.students
        for seed in setting.seeds
    ]
    trials = list(dict.fromkeys(trials))
    by_directory = {trial.directory: trial for trial in trials}
    for trial in trials:
        other = by_directory[trial.directory].student
        if other != trial.student:
            raise ValueError(
                f"{setting.name}: {other} and {trial.student} have one name. "
                "Rename one."
            )
    return trials


def count_trials(setting: Setting) -> int:
    """Count the trials that a setting will have, its search included."""
    pairs = len(setting.students) * len(setting.methods)
    if len(setting.learning_rates) < 2:
        return pairs * len(setting.seeds)
    more = set(setting.seeds) - set(setting.search_seeds)
    searched = len(setting.learning_rates) * len(setting.search_seeds)
    return pairs * (searched + len(more))


def group_trials(trials: Iterable[Trial]) -> List[Call]:
    """Put trials of one setting into few calls, without running any that is not there.

    Example:
        >>> setting = Setting("a", "a", {}, {}, (), (), (), (), ())
        >>> names = [("x", "none"), ("x", "skd"), ("y", "none"), ("y", "skd")]
        >>> trials = [Trial(setting, s, m, 1) for s, m in names]
        >>> [(c.students, c.methods) for c in group_trials(trials)]
        [((('x', ''), ('y', '')), ('none', 'skd'))]
        >>> [(c.students, c.methods) for c in group_trials(trials[1:])]
        [((('x', ''),), ('skd',)), ((('y', ''),), ('none', 'skd'))]
    """
    seeds: Dict[tuple, List[int]] = {}
    for t in trials:
        seeds.setdefault((t.setting, (t.student, t.rate), t.method), []).append(t.seed)
    methods: Dict[tuple, List[str]] = {}
    for (setting, student, method), values in seeds.items():
        key = (setting, student, tuple(sorted(set(values))))
        methods.setdefault(key, []).append(method)
    students: Dict[tuple, List[Tuple[str, str]]] = {}
    for (setting, student, values), names in methods.items():
        students.setdefault((setting, tuple(names), values), []).append(student)
    return [
        Call(setting, tuple(found), names, values)
        for (setting, names, values), found in students.items()
    ]


def key_of(options: Mapping[str, str], names: Iterable[str]) -> str:
    """Shorten the values of some options to a name that is theirs alone."""
    values = json.dumps(
        [
            (HASHED_AS.get(name, name), options[name])
            for name in names
            if options[name] or name not in NEWER
        ]
    )
    return hashlib.sha256(values.encode()).hexdigest()[:8]


def place(options: Mapping[str, str], out: Path, setting: Setting) -> Values:
    """Return the options of run.sh that say where a setting reads and writes.

    Settings that prepare the same data share them, as they share a teacher and the
    forms of its outputs.

    Args:
        options: every option of run.sh.
        out: directory of the comparison.
        setting: the setting.
    """
    data = out / "data" / key_of(options, DATA_OPTIONS)
    teacher = key_of(options, (*DATA_OPTIONS, *TEACHER_OPTIONS))
    outputs = f"outputs-{key_of(options, CACHE_OPTIONS)}"
    return {
        "datadir": str(data / "data"),
        "dumpdir": str(data / "dump"),
        "expdir": str(out / "exp" / setting.name),
        "teacher_dir": str(out / "teachers" / teacher),
        "teacher_cache": str(out / "teachers" / teacher / outputs),
    }


def hash_inputs(trial: Trial, options: Options, memo: Dict[Path, str]) -> str:
    """Hash what a trial depends on, its seed aside: options, files and corpus.

    Args:
        trial: the trial.
        options: of its setting; relative paths start from the working directory.
        memo: hashes of what was read before; added to.

    Raises:
        FileNotFoundError: a configuration of the student or the method is missing.
    """
    values = options.words()
    overlays = map(options.overlay_of, Method.parse(trial.method).overlays)
    needed = [trial.student, *overlays]
    for name in needed:
        if not Path(name).is_file():
            raise FileNotFoundError(
                f"{trial.setting.name}: {trial.method} of {trial.student} needs "
                f"{Path(name).resolve()}, which is not there. Write it or mend the "
                "grid."
            )
    if not any(values[name] for name in (*BROUGHT, "teacher_asr_config")):
        needed += sorted(map(str, Path("conf").glob("train_teacher*.yaml")))

    def hashed(word: str) -> str:
        """Hash the content of what is a file, wherever it is."""
        path = Path(word).resolve()
        if path not in memo and path.is_file():
            memo[path] = hash_file(path)
        return memo.get(path, word)

    fixed = {
        HASHED_AS.get(name, name): [hashed(word) for word in value.split()]
        for name, value in values.items()
        if value and name not in UNRELATED  # an option that is new changes nothing
    }
    content: List[Optional[str]] = [None]
    if options.corpus_dir:
        corpus = Path(options.corpus_dir).resolve()
        if corpus not in memo:
            memo[corpus] = hash_corpus(corpus)
        content = [memo[corpus]]
    content += [hashed(name) for name in needed]
    whole = json.dumps([sorted(fixed.items()), trial.rate, content])
    return hashlib.sha256(whole.encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Hash what a file says: of yaml its content, not its comments and form.

    Raises:
        ValueError: a file that ends in .yaml is none.
    """
    if path.suffix in (".yaml", ".yml"):
        data = json.dumps(parse_yaml(path), sort_keys=True, default=str).encode()
    else:
        data = path.read_bytes()
    return hashlib.sha256(data).hexdigest()
