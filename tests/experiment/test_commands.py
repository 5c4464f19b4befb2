"""What options mean for the commands of trainings."""

from pathlib import Path

import pytest
import yaml

from espnet_tutornet.experiment.commands import Commands
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.experiment.plan import Plan


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Go to a recipe whose stages 1 to 4 were run."""
    monkeypatch.chdir(tmp_path)
    conf = {"encoder": "rnn", "batch_type": "sorted", "batch_size": 2}
    files = {
        "conf/train_a.yaml": yaml.safe_dump(conf),
        "dump/train_clean/text": "u A\n",
        "data/token_list/char/token_type": "char\n",
        "data/fs": "8000\n",
    }
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def test_symbols_are_handed_to_every_training(recipe):
    """ESPnet spells a symbol as one token where it is told of it, and not else."""
    options = Options(
        corpus_dir="x",
        methods="none",
        student_asr_config="conf/train_a.yaml",
        teacher_asr_config="conf/train_a.yaml",
        teacher_dir="t",
        nlsyms_txt="my/symbols.txt",
    )
    for given in (options, options.change(nlsyms_txt="")):
        commands = Commands(Plan(given))
        (run,) = commands.plan.other_runs()
        jobs = [commands.train_job(run), commands.teacher_job()]
        jobs += commands.statistics_jobs()
        asked = ["--non_linguistic_symbols" in job.args for job in jobs]
        assert asked == [bool(given.nlsyms_txt)] * len(jobs)
        if given.nlsyms_txt:
            for job in jobs:
                word = job.args.index("--non_linguistic_symbols") + 1
                assert job.args[word] == "my/symbols.txt"
                assert "my/symbols.txt" in map(str, job.depends)
