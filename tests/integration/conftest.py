"""A few dozen utterances of real speech, and one finished run of the recipe on them."""

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Dict

import pytest

from espnet_tutornet.compare.runner import Runner
from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.options import Options

REPO = Path(__file__).resolve().parents[2]
RECIPE = REPO / "egs2/librispeech_tutornet/asr1"
CONF = Path(__file__).resolve().parent / "conf"
SPLITS = {"train-clean": 24, "dev-clean": 8, "test-clean": 6, "test-other": 6}
STUDENTS = ("student_conformer", "student_rnn")
METHODS = ("none", "skd", "kl", "rkd_task", "rkd_skd", "rkdoutput_skd")  # the default


@dataclass(frozen=True)
class Setup:
    """Where a run of the recipe reads and writes, and its further options."""

    root: Path
    options: Dict[str, str]

    @property
    def exp(self) -> Path:
        return Path(self.options["expdir"])

    def decoded(self, run: str, name: str) -> Path:
        """Return the directory of a decoded set."""
        (path,) = (self.exp / run).glob(f"decode_*/{name}")
        return path

    def command(self, *more: str, **changes: str) -> list:
        """Return run.sh's command line: the options, changed, and more at the end."""
        options = {**self.options, **{key: str(v) for key, v in changes.items()}}
        words = [word for key, v in options.items() for word in (f"--{key}", v)]
        return [str(RECIPE / "run.sh"), *words, *more]

    def elsewhere(self, root: Path, copied=(), fresh=()) -> "Setup":
        """Return a setup with directories of its own in ``root``: copies or new."""
        changed = dict(self.options)
        for name in (*copied, *fresh):
            changed[f"{name}dir"] = str(root / name)
        for name in copied:
            shutil.copytree(self.root / name, root / name, symlinks=True)
        return Setup(root, changed)


def _environment() -> Dict[str, str]:
    paths = [str(REPO), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def environment():
    """Return the environment in which commands find the package."""
    return _environment()


@pytest.fixture(scope="session")
def conf():
    """Return the directory of the tiny configurations."""
    return CONF


@pytest.fixture(scope="session")
def recipe():
    """Return the directory of the recipe."""
    return RECIPE


@pytest.fixture(scope="session")
def students():
    return STUDENTS


@pytest.fixture(scope="session")
def methods():
    return METHODS


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """Return loaded(words) -> output, status: the stages where ESPnet is loaded.

    As a comparison runs them. Tests of run.sh itself, and one run from end to end, go
    through the shell.
    """
    log = tmp_path_factory.mktemp("loaded") / "log"
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(RECIPE):
        for name, value in _environment().items():
            patch.setenv(name, value)
        runner = Runner()

        def run(words):
            log.unlink(missing_ok=True)
            with contextlib.chdir(RECIPE):
                try:
                    options = Options.parse(words)
                except UsageError as error:
                    return f"run.sh: error: {error}", 2
                with runner.start(options, log) as process:
                    process.join(2400)
            return log.read_text(), process.exitcode

        yield run


@pytest.fixture(scope="session")
def call(loaded):
    """Return call(command, status=0, shell=False, **subprocess options): the output.

    Without options and ``shell`` the stages of run.sh run where ESPnet is loaded.
    """

    def run(command, status=0, shell=False, **options):
        words = [str(word) for word in command]
        if words[0] == str(RECIPE / "run.sh") and not shell and not options:
            output, code = loaded(words[1:])
        else:
            options = {"env": _environment(), "timeout": 2400, **options}
            done = subprocess.run(
                words,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **options,
            )
            output, code = done.stdout, done.returncode
        assert code == status, output[-5000:]
        return output

    return run


def _digits() -> Path:
    beside = REPO.parent / "shared/corpora/digits"
    return Path(os.environ.get("TUTORNET_DIGITS", beside))


def _made(root: Path) -> Path:
    pytest.importorskip("hibari", reason="no corpus: neither digits nor hibari-tts")
    from espnet_tutornet.data.mini.corpus import make_mini_corpus

    make_mini_corpus(root, hours_scale=0.1, seed=0, nj=1)
    return root


def _copy_split(source: Path, target: Path, count: int) -> None:
    """Copy ``count`` utterances, as many of each chapter as there are of others."""
    chapters = [
        [(path, line) for line in path.read_text().splitlines()]
        for path in sorted(source.glob("*/*/*.trans.txt"))
    ]
    turns = [row for turn in zip_longest(*chapters) for row in turn if row]
    for trans, line in turns[:count]:
        folder = target / trans.parent.relative_to(source)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / trans.name).open("a") as f:
            print(line, file=f)
        (audio,) = trans.parent.glob(f"{line.split()[0]}.*")
        shutil.copy(audio, folder)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Return a corpus in LibriSpeech's layout: 24, 8, 6 and 6 utterances."""
    source = _digits()
    if not source.is_dir():
        source = _made(tmp_path_factory.mktemp("mini"))
    root = tmp_path_factory.mktemp("corpus")
    for split, count in SPLITS.items():
        _copy_split(source / split, root / split, count)
    return root


@pytest.fixture(scope="session")
def setup(tmp_path_factory, corpus):
    """Return the setup that the tests share: nothing has run yet."""
    root = tmp_path_factory.mktemp("recipe")
    options = {
        "corpus_dir": corpus,
        "datadir": root / "data",
        "dumpdir": root / "dump",
        "expdir": root / "exp",
        "python": sys.executable,
        "nj": 2,
        "teacher_asr_config": CONF / "train_teacher.yaml",
        "teacher_epochs": 3,
        "teacher_wer_max": 1000,
        "student_asr_config": " ".join(
            f"{CONF}/train_{name}.yaml" for name in STUDENTS
        ),
        "total_epochs": 6,
        "rkd_epochs": 3,
        "inference_asr_model": "valid.loss_ctc.ave.pth",
        "score_backend": "internal",
    }
    return Setup(root, {key: str(value) for key, value in options.items()})


@pytest.fixture(scope="session")
def prepared(setup, call):
    """Return the setup after stages 0-4: data and tokens, no training."""
    call(setup.command(stop_stage=4), shell=True)
    return setup


@pytest.fixture(scope="session")
def finished(prepared, call):
    """Return the setup after all stages of run.sh; its log is run.log."""
    output = call(prepared.command(), shell=True)
    (prepared.root / "run.log").write_text(output)
    return prepared
