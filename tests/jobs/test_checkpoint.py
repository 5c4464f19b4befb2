import datetime
import math
import os

import numpy as np
import pytest
import torch

from espnet_tutornet.jobs.checkpoint import load_statistics

NUMBERS = {
    "f64": np.float64(0.1),
    "f32": np.float32(0.1),
    "big": np.dtype(">f8").type(2.5),
    "i64": np.int64(-7),
    "bool": np.bool_(True),
    "plain": 1e-300,
    "inf": math.inf,
    "count": 50,
    "time": datetime.timedelta(seconds=1.5),
}


class Runs:
    """Makes a directory when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def save(path, **more):
    model = torch.nn.Linear(2, 3)
    loss = model(torch.ones(1, 2)).sum()
    loss.backward()
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    states = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict()],
        "schedulers": [scheduler.state_dict()],
        "reporter": {"stats": {1: {"train": NUMBERS}}, "epoch": 1},
    }
    torch.save({**states, **more}, path)


def test_numbers_are_those_that_were_saved(tmp_path):
    save(tmp_path / "checkpoint.pth")
    found = load_statistics(tmp_path / "checkpoint.pth")[1]["train"]
    assert found == {
        key: getattr(x, "item", lambda x=x: x)() for key, x in NUMBERS.items()
    }
    assert {type(found[key]) for key in ("f64", "f32", "big")} == {float}


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    first, last = ({name: Runs(tmp_path / name)} for name in ("early", "late"))
    torch.save(Runs(tmp_path / "real"), tmp_path / "proof.pth")
    torch.load(tmp_path / "proof.pth", weights_only=False)
    assert (tmp_path / "real").is_dir()  # it is armed
    save(tmp_path / "checkpoint.pth", model=first, later=last)
    found = load_statistics(tmp_path / "checkpoint.pth")[1]["train"]
    assert found["f64"] == 0.1
    assert not (tmp_path / "early").exists() and not (tmp_path / "late").exists()


def test_objects_in_the_place_of_numbers_are_no_numbers(tmp_path):
    stats = {1: {"train": {"loss": np.str_("x"), "loss_ctc": Runs(tmp_path / "x")}}}
    save(tmp_path / "checkpoint.pth", reporter={"stats": stats})
    found = load_statistics(tmp_path / "checkpoint.pth")[1]["train"]
    assert math.isnan(found["loss"]) and not isinstance(found["loss_ctc"], (int, float))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"\x80\x02."])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    (tmp_path / "checkpoint.pth").write_bytes(content)
    with pytest.raises(ValueError, match="checkpoint.pth: expected statistics of an"):
        load_statistics(tmp_path / "checkpoint.pth")


def test_a_checkpoint_cut_short_is_named(tmp_path):
    save(tmp_path / "checkpoint.pth")
    whole = (tmp_path / "checkpoint.pth").read_bytes()
    (tmp_path / "checkpoint.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="expected statistics"):
        load_statistics(tmp_path / "checkpoint.pth")


@pytest.mark.parametrize("states", [{"model": {}}, [1], {"reporter": {"stats": 3}}])
def test_a_checkpoint_without_statistics_is_named(tmp_path, states):
    torch.save(states, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match="expected statistics of an ESPnet training"):
        load_statistics(tmp_path / "checkpoint.pth")
