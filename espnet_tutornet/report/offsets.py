"""The inside: when students say their tokens, and how alike they see frames."""

import math
from dataclasses import dataclass, field
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure as Canvas
from tqdm import tqdm

from espnet_tutornet.report.models import Key, Models, spread
from espnet_tutornet.report.page import Figure, Figures, Section, Table
from espnet_tutornet.report.pictures import HEIGHT, Album, Styles, add_legend
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.spikes import find_spikes, spike_offsets

if TYPE_CHECKING:
    from espnet_tutornet.report.recognition import Outputs, Recogniser


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Return the linear centred kernel alignment of two representations.

    It is 1 where one is a rotation of the other, scaled and shifted, 0 where nothing in
    one can be read off the other by a linear map, and does not ask for equal widths.

    Args:
        first: (N, D1), a row a frame.
        second: (N, D2), the same frames.

    Returns:
        A number in [0, 1]; NaN where either does not change from frame to frame,
        or there is no frame.

    Raises:
        ValueError: the numbers of frames differ.

    Source:
        Kornblith et al., arXiv 1905.00414.

    Example:
        >>> frames = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]])
        >>> round(linear_cka(frames, 3.0 * frames[:, ::-1] + 5.0), 6)
        1.0
    """
    if len(first) != len(second):
        raise ValueError(f"expected the same frames, got {len(first)}, {len(second)}.")
    if not len(first):
        return math.nan
    first, second = (x - x.mean(axis=0) for x in (first, second))
    norms = [np.linalg.norm(x.T @ x) for x in (first, second)]
    if not all(norms):
        return math.nan
    return float(np.linalg.norm(first.T @ second) ** 2 / (norms[0] * norms[1]))


def match_frames(ours: Tuple[int, float], theirs: Tuple[int, float]) -> List[int]:
    """Return for each of our frames theirs whose centre is nearest.

    Args:
        ours: number of frames and their distance in milliseconds.
        theirs: the same.

    Example:
        >>> match_frames((4, 20.0), (2, 40.0))
        [0, 0, 1, 1]
    """
    (count, shift), (limit, their_shift) = ours, theirs
    times = (np.arange(count) + 0.5) * shift / their_shift - 0.5
    return np.clip(np.ceil(times - 0.5), 0, limit - 1).astype(int).tolist()


@dataclass
class Heard:
    """What one student said and saw beside its teacher, over all utterances.

    Attributes:
        shift: milliseconds a frame of the student.
        offsets: milliseconds that each common token came later than the teacher's.
        spoken: tokens of the teacher.
        ours: the student's hidden states, (T, D) an utterance.
        theirs: the teacher's, at the student's frames.
        first: as ``ours``, as stage 1 left the student; empty without one.
        tokens: (T,) where the teacher's likeliest token is not blank.
    """

    shift: float = 0.0
    offsets: List[float] = field(default_factory=list)
    spoken: int = 0
    ours: List[np.ndarray] = field(default_factory=list)
    theirs: List[np.ndarray] = field(default_factory=list)
    first: List[np.ndarray] = field(default_factory=list)
    tokens: List[np.ndarray] = field(default_factory=list)


def show_offsets(setting: Setting, album: Album, models: Optional[Models]) -> Section:
    """Show how much later than the teacher each student says its tokens."""
    section = Section("offsets", "When the student says its tokens")
    if models is None:
        return section.say(
            "No audio, teacher and exported student were found together, so spikes "
            "cannot be compared."
        )
    chosen = spread(sorted(models.audio), setting.spike_utterances)
    heard = _listen(models, chosen)
    section.say(
        f"Spikes of the greedy CTC path over {len(chosen)} utterances of "
        f"{setting.speech_set}, first seed of each method: the time of each token that "
        "both say, student minus teacher, at the centres of the frames. Below zero the "
        "student is earlier. What lies outside the picture counts in its last bin. "
        "CKA says how alike frames are to student and teacher: the linear centred "
        "kernel alignment (Kornblith et al. 2019) of the encoder's output with the "
        f"teacher's layer {models.teacher.layer}, 1 where one is a rotation of the "
        "other; where stage 1 was exported, also as that left the student; and of the "
        "frames alone whose likeliest token is not blank to the teacher."
    )
    figures = []
    for student in setting.students:
        ours = {key[2]: found for key, found in heard.items() if key[0] == student}
        offsets = {key: found.offsets for key, found in ours.items() if found.offsets}
        if offsets:
            shift = next(iter(ours.values())).shift
            figures.append(_figure(setting, album, student, offsets, shift))
    section.blocks.append(Figures(figures))
    header = ["Student", "Method", "tokens", "in common", "mean ms", "median", "std"]
    rows = [[*key[::2], *summarise_heard(found)] for key, found in heard.items()]
    caption = "Tokens of the teacher, those in common, their offsets, and CKA"
    header += ["CKA", "of tokens", "CKA after stage 1", "of tokens"]
    section.blocks.append(Table(caption, header, rows))
    return section


def _figure(
    setting: Setting, album: Album, student: str, found: Dict, shift: float
) -> Figure:
    medians = (f"{key} median {median(ms):+.0f} ms" for key, ms in found.items())
    alt = f"Spike offsets of {student}: {'; '.join(medians)}."
    what = found, setting.styles, shift
    picture = album.add(f"offsets_{student}", alt, HEIGHT, draw_offsets, *what)
    return Figure(picture, f"{student}: a bin is a frame of {shift:.0f} ms.")


def summarise_heard(heard: Heard) -> List[str]:
    """Return the cells of a student: its tokens, their offsets, and CKA."""
    values = heard.offsets
    shown = [f"{heard.spoken}", f"{len(values)}", "-", "-", "-"]
    if values:
        shown[2:4] = f"{mean(values):+.1f}", f"{median(values):+.1f}"
    if len(values) > 1:
        shown[4] = f"{stdev(values):.1f}"
    theirs, tokens = np.concatenate(heard.theirs), np.concatenate(heard.tokens)
    for frames in (heard.ours, heard.first):
        ours = np.concatenate(frames) if frames else None
        for where in (slice(None), tokens):
            alike = math.nan if ours is None else linear_cka(ours[where], theirs[where])
            shown.append("-" if math.isnan(alike) else f"{alike:.2f}")
    return shown


def _listen(models: Models, utt_ids: List[str]) -> Dict[Key, Heard]:
    from espnet_tutornet.report import recognition

    heard = {key: Heard() for key in models.students}
    for utt_id in tqdm(utt_ids, "utterances", leave=False, disable=None):
        wave, fs = recognition.read_audio(models.audio[utt_id][0])
        # methods share what stage 1 left
        starts = {m: m.recognise(wave, fs) for m in set(models.first.values())}
        theirs = models.teacher.recognise(wave, fs)
        spikes = _spikes(theirs, models.teacher)
        spoken = theirs.log_probs.argmax(axis=-1) != models.teacher.blank_id
        for key, recogniser in models.students.items():
            ours, found = recogniser.recognise(wave, fs), heard[key]
            said = _spikes(ours, recogniser)
            found.offsets += spike_offsets(said, spikes, ours.shift, theirs.shift)
            found.spoken += len(spikes)
            found.shift = ours.shift
            frames = [(len(x.hidden), x.shift) for x in (ours, theirs)]
            found.ours.append(ours.hidden.numpy())
            matched = match_frames(*frames)
            found.theirs.append(theirs.hidden.numpy()[matched])
            found.tokens.append(spoken[matched])
            if key in models.first:
                first = starts[models.first[key]]
                found.first.append(first.hidden.numpy())
    return heard


def _spikes(outputs: "Outputs", recogniser: "Recogniser"):
    return find_spikes(outputs.log_probs, recogniser.token_list, recogniser.blank_id)


def draw_offsets(
    figure: Canvas,
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
