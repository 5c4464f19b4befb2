"""Pictures of one style, kept as files and as SVG to put into a page."""

import html
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Sequence, Tuple

import matplotlib
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

WIDTH = 4.4  # inches: 317 points, so that letters keep their size on a phone
HEIGHT = 2.5  # inches of curves, without their legend
PNG_DPI = 150
LEGEND_LETTERS = 22  # of a label that two columns have room for
LEGEND_LINE = 0.17  # inches
STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 5,
    "svg.fonttype": "none",  # letters stay letters: to search, to read aloud
    "svg.hashsalt": "espnet_tutornet",  # the same picture twice is the same file
}
# Okabe and Ito's colours, told apart by the colour-blind, each with its own marker.
METHOD_STYLES = {
    "teacher": ("#000000", "*"),
    "none": ("#D55E00", "o"),
    "skd": ("#0072B2", "s"),
    "rkd_task": ("#E69F00", "^"),
    "rkd_skd": ("#009E73", "D"),
}
SPARE_STYLES = (
    ("#CC79A7", "v"),
    ("#56B4E9", "P"),
    ("#666666", "X"),
    ("#7A5C00", "<"),
    ("#4B0092", ">"),
)
Styles = Dict[str, Tuple[str, str]]  # label -> colour, marker
MAX_TICKS = 5
STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True)
class Picture:
    """A picture to put into a page.

    Attributes:
        name: of the files, without ending.
        svg: an ``<svg>`` element whose ids are its own in the page.
    """

    name: str
    svg: str


def choose_styles(labels: Iterable[Tuple[str, str]]) -> Styles:
    """Give every label a colour and a marker; the first of a method has the method's.

    Args:
        labels: (method, label) each.

    Example:
        >>> choose_styles([("skd", "SKD only"), ("skd", "SKD only (x)")])
        {'SKD only': ('#0072B2', 's'), 'SKD only (x)': ('#CC79A7', 'v')}
    """
    styles: Styles = {}
    spare = 0
    for method, label in labels:
        if label in styles:
            continue
        style = METHOD_STYLES.get(method)
        if style is None or style in styles.values():
            turn, place = divmod(spare, len(SPARE_STYLES))
            color, _ = SPARE_STYLES[place]
            _, marker = SPARE_STYLES[(place + turn) % len(SPARE_STYLES)]
            style = color, marker
            spare += 1
        styles[label] = style
    return styles


def add_legend(figure: Figure) -> None:
    """Put the legend of the first axes below, in two columns where they fit.

    The figure grows by the legend's height: the axes keep theirs.
    """
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = 2 if max(map(len, labels), default=0) <= LEGEND_LETTERS else 1
    lines = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * lines)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


class Album:
    """Draw pictures into a directory.

    Args:
        directory: gets ``<name>.svg`` and ``<name>.png`` of every picture.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)

    def add(
        self, name: str, alt: str, height: float, draw: Callable[..., None], *args
    ) -> Picture:
        """Draw one picture.

        Args:
            name: of its files; other characters than letters and digits become ``_``.
            alt: what it shows, for who does not see it.
            height: in inches, without the legend.
            draw: gets the figure and ``args``.
            args: for ``draw``.
        """
        name = re.sub(r"\W+", "_", name)
        path = self.directory / f"{name}.svg"
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(WIDTH, height))
            draw(figure, *args)
            unnamed = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            # not savefig(), which draws and lays out twice for each file
            FigureCanvasSVG(figure).print_svg(path, metadata=unnamed)
            figure.set_layout_engine("none")
            figure.set_dpi(PNG_DPI)
            FigureCanvasAgg(figure).print_png(path.with_suffix(".png"))
        return Picture(name, inline_svg(path.read_text(encoding="utf-8"), name, alt))


def inline_svg(text: str, name: str, alt: str) -> str:
    """Turn the text of an SVG file into an element of a page.

    Ids get ``name`` before them, as those of a page must differ; the size is left to
    the page.

    Example:
        >>> inline_svg('<?xml?><svg width="9pt" viewBox="0 0 9 9"></svg>', "a", "Dot")
        '<svg role="img" aria-label="Dot" viewBox="0 0 9 9"></svg>'
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = text.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    head, body = text.split(">", 1)
    head = re.sub(r' (width|height|version|id)="[^"]*"', "", head)
    named = f'<svg role="img" aria-label="{html.escape(alt, quote=True)}"'
    return f"{head.replace('<svg', named, 1)}>{body}"


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
