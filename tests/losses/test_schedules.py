import math

import pytest

from espnet_tutornet.losses.schedules import WeightSchedule


@pytest.mark.parametrize(
    "conf, expected",
    [
        (dict(kind="linear"), [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]),
        (dict(kind="linear", final=4.0), [2.0, 2.5, 3.0, 3.5, 4.0, 4.0]),
        (dict(kind="step"), [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]),
        (dict(kind="step", at=0.75, final=1.0), [2.0, 2.0, 2.0, 1.0, 1.0, 1.0]),
        (dict(kind="step", at=0.0), [0.0] * 6),
        (dict(kind="step", at=1), [2.0, 2.0, 2.0, 2.0, 0.0, 0.0]),
        (
            dict(kind="cosine"),
            [2.0, 1.0 + math.sqrt(0.5), 1.0, 1.0 - math.sqrt(0.5), 0.0, 0.0],
        ),
        (
            dict(kind="cosine", final=1.0),
            [2.0, 1.5 + math.sqrt(0.125), 1.5, 1.5 - math.sqrt(0.125), 1.0, 1.0],
        ),
    ],
)
def test_weights_by_hand(conf, expected):
    schedule = WeightSchedule(2.0, steps=4, **conf)
    got = [schedule(batches) for batches in (0, 1, 2, 3, 4, 99)]
    assert got == pytest.approx(expected)
    assert got[-1] == expected[-1]  # exactly, 0.0 above all


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(kind="poly"), r"kind must be one of \['cosine', 'linear', 'step'\], got"),
        (dict(steps="auto"), "steps is auto, expected a number of training batches"),
        (dict(steps=0), "steps must be a number of training batches.*got 0"),
        (dict(steps=1.5), "steps must be a number of training batches.*got 1.5"),
        (dict(final=-0.1), "final must be a number, 0 or more, got -0.1"),
        (dict(final="1e-3"), "final must be a number, 0 or more, got '1e-3'"),
        (dict(final=math.nan), "final must be a number, 0 or more, got nan"),
        (dict(at=0.5), "at is for kind: step alone, got it with linear"),
        (dict(kind="step", at=1.5), r"at must be in \[0, 1\], got 1.5"),
    ],
)
def test_bad_arguments_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        WeightSchedule(1.0, **{"steps": 4, **conf})
