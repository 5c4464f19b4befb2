"""Draw what models say of an utterance, and when."""

from dataclasses import dataclass
from statistics import median
from typing import List, Mapping, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure

from espnet_tutornet.report.pictures import Styles, add_legend
from espnet_tutornet.report.spikes import Spike

PER_ROW = 0.85  # inches of a model's row
NAMES = {"<space>": "␣", "▁": "␣"}
LETTER = 0.021  # width of a letter, as a share of the picture


@dataclass(frozen=True)
class Row:
    """What one model says of the utterance.

    Attributes:
        label: its name.
        color: of its bars.
        non_blank: (T, V - 1) probabilities.
        spikes: of the greedy path.
        shift: seconds a frame.
    """

    label: str
    color: str
    non_blank: np.ndarray
    spikes: Sequence[Spike]
    shift: float


@dataclass(frozen=True)
class UtterancePicture:
    """What is drawn of an utterance, below each other.

    Attributes:
        mel: (M, F) log-mel energies in dB.
        mel_shift: seconds a column.
        reference: token, start and stop in seconds, aligned on the teacher.
        weights: (T,) of RKD, on the teacher's frames, or None.
        weights_name: of the kind of weights.
        rows: the teacher's first.
        seconds: shown.
    """

    mel: np.ndarray
    mel_shift: float
    reference: List[Tuple[str, float, float]]
    weights: np.ndarray
    weights_name: str
    rows: Sequence[Row]
    seconds: float

    @property
    def height(self) -> float:
        """Return the height of the picture in inches."""
        bars = (bool(self.reference) + (self.weights is not None)) * 0.6
        return 1.4 + bars + PER_ROW * len(self.rows)


def draw_utterance(figure: Figure, shown: UtterancePicture):
    """Draw spectrogram, reference, frame weights and a row a model."""
    heights = [1.0]
    heights += [0.5] * bool(shown.reference)
    heights += [0.55] * (shown.weights is not None)
    heights += [PER_ROW] * len(shown.rows)
    grid = figure.subplots(
        len(heights), squeeze=False, height_ratios=heights, sharex=True
    )
    panels = list(grid[:, 0])
    _draw_mel(panels.pop(0), shown)
    if shown.reference:
        _draw_reference(panels.pop(0), shown)
    if shown.weights is not None:
        axes = panels.pop(0)
        times = (np.arange(len(shown.weights)) + 0.5) * shown.rows[0].shift
        axes.fill_between(times, shown.weights, step="mid", color="#CC79A7")
        axes.set_title(f"frame weights of RKD: {shown.weights_name}", pad=2)
        axes.set_ylim(bottom=0)
    for axes, row in zip(panels, shown.rows):
        _draw_row(axes, row, shown.seconds)
    grid[-1, 0].set_xlim(0, shown.seconds)
    grid[-1, 0].set_xlabel("seconds")


def _draw_mel(axes, shown: UtterancePicture) -> None:
    bands, columns = shown.mel.shape
    top = shown.mel.max()
    axes.imshow(
        shown.mel,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=top - 70,  # dB under the loudest
        vmax=top,
        extent=(0, columns * shown.mel_shift, 0, bands),
    )
    axes.set_title("log-mel energies", pad=2)
    axes.set_ylabel("band")
    axes.grid(False)


def _draw_reference(axes, shown: UtterancePicture) -> None:
    for index, (token, start, stop) in enumerate(shown.reference):
        color = "#56B4E9" if index % 2 else "#0072B2"
        axes.axvspan(start, stop, color=color, alpha=0.5, linewidth=0)
    marks = [(token, (start + stop) / 2) for token, start, stop in shown.reference]
    _write_tokens(axes, marks, (0.18, 0.5, 0.82), shown.seconds)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_title("reference, aligned on the teacher's posteriors", pad=2)


def _draw_row(axes, row: Row, seconds: float) -> None:
    frames, tokens = np.nonzero(row.non_blank > 0.02)
    times = (frames + 0.5) * row.shift
    heights = row.non_blank[frames, tokens]
    axes.vlines(times, 0, heights, color=row.color, linewidth=1.2)
    marks = [(s.token, (s.frame + 0.5) * row.shift) for s in row.spikes]
    _write_tokens(axes, marks, (1.14, 1.42, 1.7), seconds)
    axes.set_ylim(0, 1.9)
    axes.set_yticks([0, 1])
    axes.set_title(row.label, pad=2)


def _write_tokens(axes, marks, levels: Sequence[float], seconds: float) -> None:
    """Write tokens on the lowest level that has room."""
    ends = [-1.0] * len(levels)  # of what is written on each level, in seconds
    for token, time in marks:
        token = NAMES.get(token, token)
        need = LETTER * seconds * (0.5 + 0.5 * len(token))
        free = [n for n, end in enumerate(ends) if time - need / 2 >= end]
        if not free or time > seconds:
            continue
        axes.text(time, levels[free[0]], token, ha="center", va="center", fontsize=7)
        ends[free[0]] = time + need / 2


def draw_offsets(
    figure: Figure,
    offsets: Mapping[str, Sequence[float]],
    styles: Styles,
    width: float,
):
    """Draw how much later than the teacher each model says its tokens.

    Args:
        figure: to draw on.
        offsets: label -> milliseconds, not empty.
        styles: of the labels.
        width: of a bin in milliseconds, a student's frame.
    """
    axes = figure.subplots()
    values = np.concatenate([np.asarray(found) for found in offsets.values()])
    low, high = np.percentile(values, [0.5, 99.5])
    reach = max(1, round(max(-low, high) / width) + 1)
    edges = (np.arange(-reach, reach + 2) - 0.5) * width
    for label, found in offsets.items():
        color, marker = styles[label]
        counts, _ = np.histogram(np.clip(found, edges[0], edges[-1] - 1e-9), edges)
        share = 100 * counts / len(found)
        middles = (edges[:-1] + edges[1:]) / 2
        shown = f"{label}, median {median(found):+.0f} ms"
        style = {"marker": marker, "markersize": 3.5, "mfc": "none", "label": shown}
        style["markevery"] = np.flatnonzero(share >= 1.0).tolist()
        axes.plot(middles, share, "-", color=color, drawstyle="steps-mid", **style)
    axes.axvline(0, color="#777777", linewidth=0.8, linestyle="--")
    axes.set_xlabel("student minus teacher (ms)")
    axes.set_ylabel("share of tokens (%)")
    axes.set_ylim(bottom=0)
    add_legend(figure)
