"""Logarithmic axes with few, round ticks."""

import math
from typing import Callable, List, Sequence

from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

MAX_TICKS = 5
STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))


def choose_ticks(low: float, high: float) -> List[float]:
    """Choose round values between ``low`` and ``high``, as many as there is room for.

    Example:
        >>> choose_ticks(0.3, 40.0), choose_ticks(0.0013, 0.0032)
        ([0.3, 1.0, 3.0, 10.0, 30.0], [0.0015, 0.002, 0.003])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in STEPS:
        values = [float(f"{step}e{decade}") for decade in decades for step in steps]
        ticks = [value for value in values if low <= value <= high]
        if len(ticks) <= MAX_TICKS:
            return ticks
    return ticks[:: math.ceil(len(ticks) / MAX_TICKS)]


def spans(values: Sequence[float], factor: float) -> bool:
    """Whether values are all above zero and further apart than ``factor``."""
    return min(values) > 0 and max(values) > factor * min(values)


def use_log_scale(
    axis: Axis, values: Sequence[float], margin: float, show: Callable = "{:g}".format
) -> None:
    """Let an axis show ``values`` on a logarithmic scale.

    Args:
        axis: x or y of some axes.
        values: above zero.
        margin: free space on either side, as a factor above one.
        show: writes a tick.
    """
    low, high = min(values) / margin, max(values) * margin
    name = axis.axis_name
    getattr(axis.axes, f"set_{name}scale")("log")
    getattr(axis.axes, f"set_{name}lim")(low, high)
    axis.set_major_locator(FixedLocator(choose_ticks(low, high)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axis.set_minor_locator(NullLocator())
