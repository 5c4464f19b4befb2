"""A student that ESPnet3's trainer trains, from a cache and from an online teacher."""

import csv
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml

from espnet_tutornet.utils.extras import find_missing

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_spec("espnet3") is None, reason="ESPnet without ESPnet3"),
    pytest.mark.skipif(bool(find_missing("espnet3")), reason="no extra espnet3"),
]
EXAMPLE = Path(__file__).resolve().parents[2] / "egs2/librispeech_tutornet/espnet3"
EPOCHS, KEPT = 3, 2
CHECKPOINT = f"valid.loss_ctc.ave_{KEPT}best.pth"


@pytest.fixture(scope="module")
def taught(prepared, call, tmp_path_factory):
    """Return a setup whose stages 1 to 8 were run: a teacher and its outputs."""
    root = tmp_path_factory.mktemp("espnet3")
    here = prepared.elsewhere(root, copied=["data", "dump"], fresh=["exp"])
    call(here.command(stage=5, stop_stage=8))
    return here


@pytest.fixture(scope="module")
def example(taught, tmp_path_factory):
    """Return example(name, **distill_conf): a copy, made for this corpus."""

    def make(name, **teacher):
        root = tmp_path_factory.mktemp(name) / "espnet3"
        shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("exp", "data"))
        path = root / "conf/training.yaml"
        conf = yaml.safe_load(path.read_text())
        rate = int((taught.root / "data/fs").read_text())
        conf.update(asr1=str(taught.root), teacher="${asr1}/exp/teacher")
        conf["model"]["frontend_conf"].update(fs=rate, n_fft=256, hop_length=80)
        conf["best_model_criterion"] = [["valid/loss_ctc", KEPT, "min"]]
        conf["trainer"].update(max_epochs=EPOCHS, accelerator="cpu")
        if teacher:
            conf["model"]["distill_conf"]["teacher"] = teacher
            for mode in ("train", "valid"):
                conf["dataset"][mode][0]["data_src_args"].pop("teacher_cache")
        path.write_text(yaml.safe_dump(conf))
        path = root / "conf/inference.yaml"
        conf = yaml.safe_load(path.read_text())
        conf["asr1"] = str(taught.root)
        conf["model"]["asr_model_file"] = f"${{exp_dir}}/{CHECKPOINT}"
        path.write_text(yaml.safe_dump(conf))
        return root

    return make


@pytest.fixture(scope="module")
def run(call, environment):
    """Return run(root, *stages): run them as the readme says; the output."""

    def run(root, *stages):
        words = [sys.executable, "run.py", "--stages", *stages]
        for role in ("training", "inference", "metrics"):
            words += [f"--{role}_config", f"conf/{role}.yaml"]
        return call(words, cwd=root, env=environment, timeout=1200)

    return run


@pytest.fixture(scope="module")
def trained(example, run):
    """Return the directory of the example after all of its stages."""
    root = example("cached")
    run(root, "train", "infer", "measure")
    return root


def losses(root, name):
    """Return a logged loss, one value for each epoch."""
    (path,) = (root / "exp/training/csv").rglob("metrics.csv")
    with path.open(newline="") as f:
        return [float(row[name]) for row in csv.DictReader(f) if row.get(name)]


def test_it_learns_from_kept_teacher_outputs(trained):
    for name in ("valid/loss_rkd", "valid/loss_skd", "valid/loss_ctc"):
        found = losses(trained, name)
        assert len(found) == EPOCHS and found[-1] < found[0], name


def test_every_utterance_is_decoded_and_scored(trained, taught):
    folder = trained / "exp/training/inference"
    for name, count in (("test_clean", 6), ("test_other", 6)):
        assert len((folder / name / "text.scp").read_text().splitlines()) == count
    assert "WER" in (folder / "metrics.json").read_text()


def test_its_directory_holds_an_espnet_student(trained):
    """And stock ESPnet has no parameter that is not of the training."""
    from espnet2.tasks.asr import ASRTask

    from espnet_tutornet.asr.tutornet_model import student_state_dict

    folder = trained / "exp/training"
    parameters = torch.load(folder / CHECKPOINT, weights_only=True)
    model, _ = ASRTask.build_model_from_file(
        folder / "config.yaml", folder / CHECKPOINT
    )
    assert type(model).__module__ == "espnet2.asr.espnet_model"
    own = student_state_dict(parameters)
    assert set(own) == set(model.state_dict()) and set(own) < set(parameters)
    assert all(torch.equal(own[k], v) for k, v in model.state_dict().items())


def test_the_teacher_may_be_asked_online(example, run, taught):
    teacher = taught.exp / "teacher"
    model = teacher / taught.options["inference_asr_model"]
    root = example("online", config=str(teacher / "config.yaml"), model=str(model))
    run(root, "train")
    assert losses(root, "valid/loss_skd")[-1] < losses(root, "valid/loss_skd")[0]
