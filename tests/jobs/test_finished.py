import argparse
import shutil

import numpy as np
import pytest
import yaml

from espnet_tutornet.jobs.finished import (
    check_job,
    check_statistics,
    check_training,
    stopped_early,
)

pytestmark = pytest.mark.filterwarnings("ignore")

NOT_DONE = "this training is not done: "


@pytest.fixture(scope="module")
def train(training_words, tmp_path_factory):
    """Return train(data, *words): the directory of a training by stock ESPnet."""
    from espnet2.bin.asr_train import main

    def run(data, *words, out=None):
        out = out or tmp_path_factory.mktemp("exp") / "run"
        main([*training_words(out, data), *words])
        return out

    return run


@pytest.fixture(scope="module")
def trained(train, wav_data):
    return train(wav_data)


@pytest.fixture
def copy(trained, tmp_path):
    """Return copy(**changes): that of a sound training, with changes to its config."""

    def make(**changes):
        for name in ("config.yaml", "checkpoint.pth"):
            shutil.copy(trained / name, tmp_path)
        conf = yaml.safe_load((tmp_path / "config.yaml").read_text())
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**conf, **changes}))
        return tmp_path

    return make


def test_a_sound_training_passes_also_when_it_was_resumed(train, trained, wav_data):
    check_training(trained)
    out = train(wav_data, "--max_epoch", "1")
    check_training(out)
    check_training(train(wav_data, "--max_epoch", "2", out=out))


def test_one_step_of_all_batches_of_an_epoch_is_enough(train, wav_data):
    check_training(train(wav_data, "--accum_grad", "3", "--max_epoch", "1"))


def test_single_batches_that_espnet_skips_are_no_failure(train, nan_data, caplog):
    out = train(nan_data, "--max_epoch", "2")
    assert sum("Skipping updating" in line for line in caplog.messages) == 2
    check_training(out)


def test_a_loss_that_is_not_finite_in_the_only_epoch_is_found(train, wav_data):
    """ESPnet gives up in the next epoch, if there is one."""
    out = train(wav_data, "--max_epoch", "1", "--optim_conf", "lr=1.0e+30")
    match = f"{out}: {NOT_DONE}in epoch 1 of 1 the valid loss is nan. Lower the lear"
    with pytest.raises(RuntimeError, match=match):
        check_training(out)


def test_what_is_wrong_in_an_epoch_is_told_together(train, trained, wav_data, tmp_path):
    out = shutil.copytree(trained, tmp_path / "run", symlinks=True)
    train(wav_data, "--max_epoch", "4", "--accum_grad", "9", out=out)
    match = r"in epoch 4 of 4 no step was made \(batches: 3\)"
    with pytest.raises(RuntimeError, match=match):
        check_training(out)
    bad = np.full(20, np.nan)
    np.savez(tmp_path / "stats.npz", count=9, sum=bad, sum_square=bad)
    words = ["--normalize", "global_mvn", "--normalize_conf"]
    out = train(wav_data, *words, f"stats_file={tmp_path}/stats.npz")
    match = "epoch 1 of 3 the train loss is nan and the valid loss is nan and no step"
    with pytest.raises(RuntimeError, match=match):
        check_training(out)


def test_missing_epochs_are_counted(copy):
    check_training(copy(max_epoch=2))  # it was resumed from one with more
    with pytest.raises(RuntimeError, match=f"{NOT_DONE}expected 5 epochs, found 3 in"):
        check_training(copy(max_epoch=5))
    path = copy()
    (path / "checkpoint.pth").unlink()
    with pytest.raises(RuntimeError, match="expected 3 epochs, found 0 in checkpoint"):
        check_training(path)
    (path / "checkpoint.pth").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="checkpoint.pth: expected statistics of an"):
        check_training(path)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
@pytest.mark.parametrize("losses", [(3, 2, 1), (1, 2, 3), (1, 1, 1), (2, 1, 2, 2)])
def test_patience_ends_where_espnet_says_so(mode, patience, losses):
    from espnet2.train.reporter import Reporter

    stats = {epoch: {"valid": {"loss": loss}} for epoch, loss in enumerate(losses, 1)}
    criterion = ("valid", "loss", mode)
    conf = dict(patience=patience, early_stopping_criterion=list(criterion))
    reporter = Reporter()
    reporter.load_state_dict({"epoch": len(losses), "stats": stats})
    expected = reporter.check_early_stopping(patience, *criterion)
    assert stopped_early(stats, conf) == expected


def test_without_patience_nothing_stops_early(copy):
    assert not stopped_early({}, dict(patience=3))
    assert not stopped_early({1: {}}, dict(patience=None))


@pytest.fixture
def stats(tmp_path):
    """Return stats(mode, **changes): the directory, with statistics of both modes."""

    def write(changed, **changes):
        for mode in ("train", "valid"):
            (tmp_path / mode).mkdir(exist_ok=True)
            values = dict(count=np.array(9), sum=np.ones(4), sum_square=np.ones(4))
            values.update(changes if mode == changed else {})
            np.savez(tmp_path / mode / "feats_stats.npz", **values)
        return tmp_path

    return write


@pytest.mark.parametrize("mode", ["train", "valid"])
def test_statistics_that_are_not_finite_are_named(stats, mode):
    check_statistics(stats(mode))
    bad = np.array([1, np.nan, np.inf, 1])
    match = f"{mode}/feats_stats.npz: 2 of 4 values of sum_square are NaN or infinite"
    with pytest.raises(RuntimeError, match=match):
        check_statistics(stats(mode, sum_square=bad))
    with pytest.raises(RuntimeError, match="1 of 1 values of count are NaN"):
        check_statistics(stats(mode, count=np.array(np.nan)))
    match = f"{mode}/feats_stats.npz: count is 0, expected frames"
    with pytest.raises(RuntimeError, match=match):
        check_statistics(stats(mode, count=np.array(0)))
    path = stats(mode)
    (path / mode / "feats_stats.npz").unlink()
    match = f"{mode}/feats_stats.npz: expected statistics, but no features were"
    with pytest.raises(RuntimeError, match=match):
        check_statistics(path)


def _args(path, **changes):
    given = dict(output_dir=str(path), collect_stats=False)
    given.update(dist_world_size=None, dist_launcher=None, dist_rank=None)
    return argparse.Namespace(**{**given, **changes})


def test_one_of_several_machines_looks(tmp_path, stats, monkeypatch):
    check_job(_args(stats("train"), collect_stats=True))
    with pytest.raises(OSError, match="config.yaml"):
        check_job(_args(tmp_path))
    names = dict(SLURM_PROCID="1", SLURM_NTASKS="2", SLURM_STEP_NUM_NODES="2")
    names.update(SLURM_STEP_NODELIST="a,b", SLURM_NODEID="1")
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    check_job(_args(tmp_path, dist_launcher="slurm"))
    monkeypatch.setenv("SLURM_NODEID", "0")
    with pytest.raises(OSError, match="config.yaml"):
        check_job(_args(tmp_path, dist_launcher="slurm"))
