import datetime
import math

import numpy as np
import torch
from matplotlib.figure import Figure

from espnet_tutornet.report.curves import (
    draw_curves,
    is_drawn,
    join_stages,
    last_epoch,
    list_terms,
    parse_log,
    read_curves,
)

HEAD = "[vm] 2026-11-22 20:34:50,645 (trainer:394) INFO: "
LOG = f"""\
{HEAD}1epoch results: [train] iter_time=0.004, loss_ctc=159.778, loss=266.505, \
loss_skd=106.728, loss_scale=1.000, time=14.85 seconds, total_count=50, \
[valid] loss_ctc=69.738, loss_att=nan, loss=147.977, loss_skd=78.240, \
time=0.53 seconds, total_count=6
{HEAD}2epoch results: [train] loss=9e-01
{HEAD}2epoch results: [train] loss=0.800
"""
STATS = {
    1: {
        "train": {"loss": np.float64(2.123456789), "time": datetime.timedelta(1)},
        "valid": {"loss": 1.5, "loss_att": math.nan, "acc": 0.5, "loss_x": None},
    },
    2: {"train": {"loss": 1.0, "loss_scale": 1.0}, "valid": {"loss": np.float32(0.5)}},
}


def save_checkpoint(path):
    tensors = {"w": torch.zeros(3)}
    states = {"model": tensors, "reporter": {"stats": STATS, "epoch": 2}}
    torch.save(states, path)


def test_log_gives_finite_losses_and_the_last_of_repeated_epochs():
    assert parse_log(LOG) == {
        "train": {
            "loss_ctc": {1: 159.778},
            "loss": {1: 266.505, 2: 0.8},
            "loss_skd": {1: 106.728},
        },
        "valid": {
            "loss_ctc": {1: 69.738},
            "loss": {1: 147.977},
            "loss_skd": {1: 78.24},
        },
    }


def test_checkpoint_gives_all_digits(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pth")
    (tmp_path / "train.log").write_text(LOG)
    curves, source = read_curves(tmp_path)
    assert source == "checkpoint.pth"
    assert curves["train"]["loss"] == {1: 2.123456789, 2: 1.0}
    assert curves["valid"] == {"loss": {1: 1.5, 2: 0.5}}


def test_a_checkpoint_that_is_gone_or_damaged_leaves_the_log(tmp_path):
    assert read_curves(tmp_path) == ({}, "")
    (tmp_path / "train.log").write_text(LOG)
    assert read_curves(tmp_path)[1] == "train.log"
    (tmp_path / "checkpoint.pth").write_bytes(b"half a file")
    assert read_curves(tmp_path)[1] == "train.log"


def test_stages_follow_each_other():
    first = {"train": {"loss": {1: 0.9, 2: 0.8}, "loss_rkd": {1: 0.9, 2: 0.8}}}
    second = {"train": {"loss": {1: 70.0}, "loss_ctc": {1: 70.0}}}
    joined = join_stages(first, second)
    assert joined["train"]["loss"] == {1: 0.9, 2: 0.8, 3: 70.0}
    assert joined["train"]["loss_ctc"] == {3: 70.0}
    assert first["train"]["loss"] == {1: 0.9, 2: 0.8}
    assert (last_epoch(joined), last_epoch({})) == (3, 0)
    assert list_terms([first, second]) == ["loss", "loss_ctc", "loss_rkd"]


def test_losses_and_the_gradient_are_told_from_other_keys():
    keys = ("loss", "loss_rkd_middle", "grad_norm", "loss_scale", "acc", "losses")
    assert [key for key in keys if is_drawn(key)] == list(keys[:3])
    assert list_terms([{"train": {key: {} for key in sorted(keys[:3])}}]) == [*keys[:3]]


STYLES = {"skd": ("#0072B2", "s")}


def test_curves_break_between_the_stages():
    loss = {1: 0.5, 2: 0.4, 3: 90.0, 4: 50.0}
    curves = {"valid": {"loss": loss}, "train": {"loss": {3: 99.0}}}
    figure = Figure(layout="constrained")
    draw_curves(figure, "loss", [("skd", curves, 2)], STYLES)
    drawn = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert drawn[:2] == [[[1, 0.5], [2, 0.4]], [[3, 90.0], [4, 50.0]]]
    assert [[3, 99.0]] in drawn
    assert [[2.5, 0.0], [2.5, 1.0]] in drawn  # the border
    assert figure.axes[0].get_yscale() == "log"


def test_curves_of_like_size_stay_linear():
    curves = {"valid": {"loss": {1: 3.0, 2: 1.0}}}
    figure = Figure(layout="constrained")
    draw_curves(figure, "loss", [("skd", curves, 0)], STYLES)
    assert figure.axes[0].get_yscale() == "linear"
