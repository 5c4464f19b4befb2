"""The options of the recipe: names, defaults, help and what their values can be.

They are written in this place alone: ``run.sh`` and ``compare`` read theirs here. The
standard library is enough, as they are read before anything is installed. Names are
those of ESPnet's ``asr.sh`` where it has them.
"""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping

from espnet_tutornet.data.corpora.sets import CORPORA
from espnet_tutornet.experiment.fields import (
    UsageError,
    check,
    convert,
    option,
    to_word,
)

RENAMED = {  # what options were called before
    "student_configs": "student_asr_config",
    "teacher_train_config": "teacher_asr_config",
    "teacher_config": "teacher_asr_train_config",
    "inference_model": "inference_asr_model",
    "train_args": "asr_args",
}
LAST_STAGE = 14
TOKEN_TYPES = ("char", "bpe", "unigram", "teacher")
SOURCES = ("corpus_dir", "kaldi_dir", "manifest")  # in place of corpus
YES_OR_NO = ("true", "false")
SCORERS = ("sclite", "internal")


@dataclass(frozen=True)
class Options:
    """The options of one experiment; lists are words in one string, as in a shell.

    Example:
        >>> Options.parse(["--nj", "4", "--fs", "8000"]).nj
        4
        >>> Options.parse(["--use-streaming", "True"])
        Traceback (most recent call last):
        ...
        espnet_tutornet.experiment.fields.UsageError: --use_streaming must be true or false, got True.
    """  # noqa: E501

    # General
    stage: int = option(0, "First stage to run.")
    stop_stage: int = option(100, "Last stage to run.")
    skip_stages: str = option("", 'Stages to skip, for example "2 13".')
    python: str = option("", "Python to use; empty: tools/venv, or python3.")
    nj: int = option(2, "Processes side by side (CPU).")
    inference_nj: int = option(0, "Decodings side by side; 0: nj.")
    ngpu: int = option(0, "GPUs per training, of each machine; 0 is CPU.")
    gpu_inference: bool = option(False, "Decode on a GPU, one set at a time.")
    num_nodes: int = option(1, "Machines per training, under slurm: see cmd.sh.")
    datadir: str = option("data", "Kaldi-style data directories.", path=True)
    dumpdir: str = option("dump", "The same after filtering.", path=True)
    expdir: str = option("exp", "Models, decodings, scores.", path=True)
    # Data
    corpus: str = option("mini", "What stage 1 makes or downloads.", tuple(CORPORA))
    corpus_dir: str = option("", "A corpus in LibriSpeech layout.", path=True)
    kaldi_dir: str = option("", "Or data directories of Kaldi's, by name.", path=True)
    manifest: str = option(
        "", "Or SET.tsv, SET.jsonl, SET.json: their directory, or a path with SET."
    )
    train_set: str = option("", "Split names with _ for -; empty: the corpus'.")
    valid_set: str = option("", "The dev set.")
    test_sets: str = option("", "What is decoded and scored.")
    unlabelled_sets: str = option("", "Splits whose audio alone is used to distil.")
    num_labelled: str = option("", "Use so many transcripts of train_set; empty: all.")
    fs: str = option("auto", "Sampling rate in Hz, resampled; auto: the corpus'.")
    channel: str = option("", "Of several: mix, or a number from 0; empty: mix.")
    noisy_sets: str = option("", "Test sets to decode with noise, too, as SET_noisy,")
    noise_db: str = option("0 10", "at signal-to-noise ratios drawn from this range.")
    speed_perturb_factors: str = option("", 'For example "0.9 1.0 1.1".')
    text_case: str = option("", "Case of all transcripts.", ("upper", "lower"))
    nlsyms_txt: str = option("", "Symbols such as <noise>; not scored.", path=True)
    cleaner: str = option("", "ESPnet's for them, such as tacotron or whisper_basic.")
    min_wav_duration: str = option("0.1", "Seconds.")
    max_wav_duration: str = option("20", "Seconds.")
    # Tokens
    token_type: str = option("char", "teacher: those of a brought one.", TOKEN_TYPES)
    nbpe: int = option(500, "Vocabulary size of bpe and unigram.")
    student_tokens: str = option("", "seen: what train_set uses.", ("all", "seen"))
    unk_max: str = option("", "Most <unk> in the train or dev set, percent; empty: 1.")
    # Teacher
    teacher_asr_config: str = option("", "Train this; empty: the corpus'.", path=True)
    teacher: str = option("", "Or bring one: a tag, hf:NAME, a .zip, a directory,")
    teacher_asr_train_config: str = option("", "or ESPnet's config.yaml", path=True)
    teacher_asr_model_file: str = option("", "and .pth.", path=True)
    teacher_model: str = option("", "Which .pth of a directory; empty: as ESPnet.")
    teacher_fs: str = option("", "Its sampling rate in Hz, where nothing tells it.")
    teacher_lang: str = option("", "Language that OWSM-CTC is told, such as eng,")
    teacher_task: str = option("", "and task, such as asr.")
    teacher_epochs: int = option(25, "Of a teacher trained here.")
    teacher_wer_max: str = option("30", "Stop when its WER on valid_set is above.")
    teacher_dir: str = option("", "Where it lives; empty: in expdir.", path=True)
    teacher_cache: str = option("", "Of its outputs; empty: where it lives.", path=True)
    teacher_outputs: str = option(
        "cache",
        "cache: computed once; config: the overlays have a block teacher.",
        ("cache", "online", "config"),
    )
    cache_missing: str = option(
        "error", "Utterances that the cache lacks.", ("error", "skip", "online")
    )
    teacher_layers: str = option("last", "Encoder layers to keep.")
    hidden_form: str = option("pq32", "two_byte, one_byte, or pq and bytes per frame.")
    top_k: int = option(8, "CTC posteriors to keep per frame.")
    mask_padding: str = option(
        "",
        "Networks that read no padded frame; empty: teacher; all: students, too.",
        ("teacher", "all", "none"),
    )
    pseudo_labels: str = option("", "true: its text of unlabelled audio.", YES_OR_NO)
    pseudo_text: str = option("", "Or a Kaldi text, of any recogniser.", path=True)
    pseudo_inference_config: str = option("", "For it; empty: the usual.", path=True)
    pseudo_labelled: str = option("", "true: in place of transcripts, too.", YES_OR_NO)
    pseudo_score_min: str = option("", "Least log score per token; empty: any.")
    pseudo_rate_slack: str = option("", "A factor, of characters/s; empty: 1.25.")
    pseudo_wer_max: str = option("", "WER against transcripts, percent; empty: 10.")
    # Students
    student_asr_config: str = option("", "One or more; empty: that of the corpus.")
    methods: str = option(
        "none skd kl rkd_task rkd_skd rkdoutput_skd",
        "none, CRITERION, FORM_task, FORM_CRITERION; FORM: rkd... or copy... Overlays:",
    )
    rkd_config: str = option("conf/distill_rkd.yaml", "of rkd,", path=True)
    skd_config: str = option("conf/distill_skd.yaml", "of skd,", path=True)
    conf_dir: str = option(
        "conf", "of NAME: distill_NAME.yaml, here or in conf.", path=True
    )
    seeds: str = option("1", 'For example "1 2 3".')
    total_epochs: int = option(20, "Of every student, RKD included.")
    rkd_epochs: str = option("4", "Of these, RKD; or its share, such as 0.2.")
    keep_going: bool = option(False, "Do without the students that fail.")
    asr_args: str = option("", "Further arguments of every training.")
    # Decoding
    inference_config: str = option(
        "conf/decode_ctc_bs1.yaml",
        "or conf/decode_ctc_greedy.yaml: CTC's best path, fast.",
        path=True,
    )
    inference_asr_model: str = option("valid.loss_ctc.ave.pth", "Which checkpoint.")
    use_streaming: bool = option(False, "Students by asr_inference_streaming.")
    sim_chunk_length: int = option(640, "Samples that it gets at a time; 0: all.")
    score_backend: str = option("auto", "Who counts errors.", ("auto", *SCORERS))

    @classmethod
    def parse(cls, words: Iterable[str]) -> "Options":
        """Read ``--name value ...``; the last of a name counts.

        Raises:
            UsageError: an unknown or renamed option, one without a value, a value that
                it cannot have.
        """
        values: Dict[str, str] = {}
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("--"):
                raise UsageError(
                    f"unexpected argument {word}. Options are --name value."
                )
            if not rest:
                raise UsageError(f"option {word} needs a value.")
            values[word[2:].replace("-", "_")] = rest.pop(0)
        return cls.read(values)

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Options":
        """Read values by name, all of them words.

        Raises:
            UsageError: as in :meth:`parse`.
        """
        known = {each.name: each for each in fields(cls)}
        for name in values:
            if name in RENAMED:
                raise UsageError(f"option --{name} is called --{RENAMED[name]} now.")
            if name not in known:
                raise UsageError(f"unknown option --{name}. Try ./run.sh --help.")
        read = cls(**{n: convert(known[n], value) for n, value in values.items()})
        read._check()
        return read

    def words(self) -> Dict[str, str]:
        """Return all values as words, as :meth:`read` takes them.

        Example:
            >>> Options().words()["use_streaming"], Options().words()["nj"]
            ('false', '2')
        """
        return {each.name: to_word(getattr(self, each.name)) for each in fields(self)}

    def given(self) -> List[str]:
        """Return the command line: ``--name value`` of what is not the default.

        Example:
            >>> Options(nj=4, fs="8000").given()
            ['--nj', '4', '--fs', '8000']
        """
        default = Options().words()
        return [
            word
            for name, value in self.words().items()
            if value != default[name]
            for word in (f"--{name}", value)
        ]

    def change(self, **values: Any) -> "Options":
        """Return options with other values, checked."""
        changed = replace(self, **values)
        changed._check()
        return changed

    def _check(self) -> None:
        for each in fields(self):
            check(each, getattr(self, each.name))
        for name in ("nj", "num_nodes", "teacher_epochs", "total_epochs", "nbpe"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} must be 1 or more, got 0.")
        if not all(seed.isdecimal() for seed in self.seeds.split()) or not self.seeds:
            raise UsageError(
                f'--seeds must be whole numbers, such as "1 2 3", got '
                f"{self.seeds or 'nothing'}."
            )
        wrong = [word for word in self.skip_stages.split() if not word.isdecimal()]
        if wrong:
            raise UsageError(
                '--skip_stages must be numbers of stages, such as "2 14", got '
                f"{self.skip_stages}."
            )
        if self.stage > LAST_STAGE:
            raise UsageError(
                f"--stage {self.stage} is past the last stage, {LAST_STAGE}."
            )
        self._check_teacher()
        count = self.stage_1_epochs
        if count < 1:
            raise UsageError(
                "--rkd_epochs must be a number of epochs or a share such as 0.2, got "
                f"{self.rkd_epochs or 'nothing'}."
            )

    def _check_teacher(self) -> None:
        pair = (self.teacher_asr_train_config, self.teacher_asr_model_file)
        if self.teacher and any(pair):
            raise UsageError(
                "--teacher is one way to bring a teacher, --teacher_asr_train_config "
                "with --teacher_asr_model_file another: give one of them."
            )
        if any(pair) and not all(pair):
            raise UsageError(
                "--teacher_asr_train_config and --teacher_asr_model_file go together: "
                "the config.yaml and the .pth of one model."
            )
        about = dict(token_type="teacher", student_tokens="seen")
        about.update({f"teacher_{n}": "" for n in ("model", "fs", "lang", "task")})
        for name, value in about.items():
            given = getattr(self, name)
            if not self.brings_teacher and given and given == (value or given):
                raise UsageError(
                    f"--{name} {given} is of a teacher that is brought: give "
                    "--teacher or --teacher_asr_train_config."
                )

    @property
    def brings_teacher(self) -> bool:
        """Whether the teacher was trained elsewhere."""
        return bool(self.teacher or self.teacher_asr_train_config)

    @property
    def uses_gpus(self) -> bool:
        """Whether any stage is to use a GPU."""
        return self.ngpu > 0 or self.gpu_inference

    @property
    def stage_1_epochs(self) -> int:
        """Epochs of RKD; 0 where ``rkd_epochs`` is none."""
        if re.fullmatch(r"0?\.\d+", self.rkd_epochs):
            return max(int(float(self.rkd_epochs) * self.total_epochs + 0.5), 1)
        return int(self.rkd_epochs) if self.rkd_epochs.isdecimal() else 0

    def overlay_of(self, name: str) -> str:
        """Return what is laid over a student for a form of stage 1 or a criterion."""
        given = {"rkd": self.rkd_config, "skd": self.skd_config}
        file = f"distill_{name}.yaml"
        own, common = f"{self.conf_dir}/{file}", f"conf/{file}"
        there = Path(common).is_file() and not Path(own).is_file()
        return given.get(name, common if there else own)

    def is_asked(self, stage: int) -> bool:
        """Tell whether a stage is between the first and the last, and not skipped."""
        skipped = str(stage) in self.skip_stages.split()
        return self.stage <= stage <= self.stop_stage and not skipped
