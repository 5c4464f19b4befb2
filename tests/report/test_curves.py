import datetime
import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from espnet_tutornet.report.curves import (
    draw_curves,
    is_drawn,
    join_stages,
    last_epoch,
    list_terms,
    read_curves,
)

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


def test_checkpoint_gives_finite_losses_with_all_digits(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pth")
    # of a training of three epochs that was made anew with two
    (tmp_path / "train.log").write_text("INFO: 3epoch results: [train] loss=0.800\n")
    assert read_curves(tmp_path) == {
        "train": {"loss": {1: 2.123456789, 2: 1.0}},
        "valid": {"loss": {1: 1.5, 2: 0.5}},
    }


def test_a_checkpoint_that_is_gone_has_no_curves_and_a_damaged_one_says_so(tmp_path):
    assert read_curves(tmp_path) == {}
    (tmp_path / "checkpoint.pth").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="checkpoint.pth: expected statistics"):
        read_curves(tmp_path)


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


def test_ticks_of_a_single_epoch_are_whole():
    curves = {"valid": {"loss": {1: 3.0}}}
    figure = Figure(layout="constrained")
    draw_curves(figure, "loss", [("skd", curves, 1)], STYLES)
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())
