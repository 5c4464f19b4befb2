"""A training that ESPnet gave up on fails, as do statistics that are not finite."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

STOCK, MASKED, STUDENT = (
    "espnet2.bin.asr_train",
    "espnet_tutornet.bin.asr_train",
    "espnet_tutornet.bin.tutornet_train",
)


@dataclass
class Launch:
    """What one launch said and left."""

    path: Path
    output: str
    status: int

    def done(self, name):
        return (self.path / name / ".train.done").is_file()

    def log(self, name):
        return (self.path / name / "train.log").read_text()


@pytest.fixture(scope="module")
def launch(training_words, run_loaded, tmp_path_factory):
    """Return launch(**jobs): jobs is name -> (module, data, further words)."""
    root = tmp_path_factory.mktemp("trainings")

    def line(name, module, data, *words):
        out = root / name
        head = [f"done={out}/.train.done", f"log={out}/train.log"]
        head += [f"resumes={out}/checkpoint.pth", "--", module]
        return shlex.join([*head, *training_words(out, data), *words])

    def run(**jobs):
        lines = [line(name, *job) for name, job in jobs.items()]
        (root / "jobs").write_text("".join(f"{text}\n" for text in lines))
        words = ["--jobs", root / "jobs", "--nj", "2"]
        status, output = run_loaded("espnet_tutornet.jobs.run", words)
        return Launch(root, output, status)

    return run


@pytest.fixture(scope="module")
def trainings(wav_data):
    """Return what is launched: sound trainings, and those that must fail."""
    diverges = ("--optim_conf", "lr=1.0e+30")
    stopped = ("--patience", "0", "--early_stopping_criterion", "valid", "loss", "max")
    return dict(
        good=(STOCK, wav_data),
        stopped=(STOCK, wav_data, *stopped, "--max_epoch", "9"),
        stock=(STOCK, wav_data, *diverges),
        masked=(MASKED, wav_data, *diverges),
        student=(STUDENT, wav_data, *diverges),
        steps=(STOCK, wav_data, "--accum_grad", "4"),
    )


@pytest.fixture(scope="module")
def first(launch, trainings):
    return launch(**trainings)


@pytest.mark.parametrize("name", ["good", "stopped"])
def test_a_training_with_all_its_epochs_or_stopped_early_is_done(first, name):
    assert first.done(name), first.output
    assert ("[Early stopping]" in first.log(name)) == (name == "stopped")
    assert "# ended, " in first.log(name)


@pytest.mark.parametrize("name", ["stock", "masked", "student"])
def test_a_training_whose_losses_are_not_finite_fails(first, trainings, name):
    """ESPnet stops it with status 0, and it was exported, decoded and reported."""
    assert "gradients at all steps are invalid" in first.log(name)
    assert not first.done(name)
    said = f"{trainings[name][0]}: error: {first.path}/{name}: this training is not "
    assert f"{said}done: in epoch 1 of 3 the valid loss is nan" in first.output
    assert "Lower the learning rate" in first.output
    assert first.status == 1 and "Traceback" not in first.log(name)


def test_a_training_without_a_step_fails_and_names_accum_grad(first):
    assert not first.done("steps")
    assert "in epoch 1 of 3 no step was made (batches: 3)" in first.output
    assert "accum_grad is 4, set it to 3 at most" in first.output


def test_the_next_attempt_starts_from_the_beginning(first, launch, trainings):
    """A checkpoint of a training that went wrong is not gone on from for ever."""
    assert (first.path / "stock/checkpoint.pth").is_file()
    again = launch(**{name: trainings[name] for name in ("good", "stock")})
    assert "1 to do, 1 done before" in again.output
    assert again.status == 1 and not again.done("stock")
    assert again.log("stock").count("epoch 1 of 3 the valid loss is nan") == 2
    assert "The training was resumed" not in again.log("stock")


def test_statistics_of_audio_with_a_nan_fail(wav_data, nan_data, launch):
    """One sample that is NaN made every mean NaN, and every loss after it."""
    collect = ("--collect_stats", "true")
    done = launch(stats=(STOCK, wav_data, *collect), bad=(STOCK, nan_data, *collect))
    assert done.done("stats") and not done.done("bad")
    said = f"{done.path}/bad/train/feats_stats.npz: 20 of 20 values of sum are NaN"
    assert said in done.output


def test_an_error_inside_torch_keeps_its_traceback_in_the_log(
    wav_data, launch, tmp_path
):
    """After hours of training, the one line of a shape told nobody where it was."""
    stats = {key: np.ones(7, np.float32) for key in ("sum", "sum_square")}
    np.savez(tmp_path / "stats.npz", count=np.array(9), **stats)
    words = ("--normalize", "global_mvn")
    words += ("--normalize_conf", f"stats_file={tmp_path}/stats.npz")
    missing = ("--init_param", f"{tmp_path}/nothing.pth")
    done = launch(shape=(MASKED, wav_data, *words), path=(MASKED, wav_data, *missing))
    assert done.status == 1 and not done.done("shape") and not done.done("path")
    assert "Traceback" in done.log("shape") and "global_mvn.py" in done.log("shape")
    assert "RuntimeError: The size of tensor" in done.log("shape")
    assert f"last lines of {done.path}/shape/train.log" in done.output
    assert f"{tmp_path}/nothing.pth" in done.log("path")
    assert "Traceback" not in done.log("path")
