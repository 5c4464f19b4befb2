import pytest
from matplotlib.figure import Figure

from espnet_tutornet.report.scales import choose_ticks, spans, use_log_scale


@pytest.mark.parametrize(
    "low, high, ticks",
    [
        (3.0, 6.5, [3.0, 4.0, 5.0, 6.0]),
        (2.2, 40.0, [3.0, 5.0, 10.0, 20.0, 30.0]),
        (4e4, 3e6, [1e5, 3e5, 1e6, 3e6]),
        (1e-3, 1e9, [1e-3, 1.0, 1e3, 1e6, 1e9]),
    ],
)
def test_ticks_are_round_and_few(low, high, ticks):
    assert choose_ticks(low, high) == ticks


def test_a_logarithm_needs_positive_values_far_apart():
    assert spans([1.0, 9.0], 8)
    assert not spans([1.0, 8.0], 8) and not spans([0.0, 9.0], 8)


def test_axis_keeps_a_margin_and_writes_its_ticks():
    axes = Figure().subplots()
    use_log_scale(axes.yaxis, [2.0, 40.0], 2.0, "{:.0f} k".format)
    assert axes.get_yscale() == "log" and axes.get_xscale() == "linear"
    assert axes.get_ylim() == (1.0, 80.0)
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["1 k", "3 k", "10 k", "30 k"]
