"""Utterances, frame by frame: what models say, and when."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure as Canvas

from espnet_tutornet.report.models import Key, Models, spread
from espnet_tutornet.report.page import Audio, Figure, Figures, Heading, Section
from espnet_tutornet.report.pictures import METHOD_STYLES, Album
from espnet_tutornet.report.points import best_distilled
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.spikes import Spike, find_spikes

if TYPE_CHECKING:
    from espnet_tutornet.report.recognition import Outputs, Recogniser

MAX_SECONDS = 4.0  # of a picture; the audio is whole
MAX_STUDENTS = 2  # of a picture
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


def show_utterances(
    setting: Setting, album: Album, models: Optional[Models]
) -> Section:
    """Show what teacher and students say of a few utterances, and play them."""
    section = Section("utterances", "Utterances, frame by frame")
    if models is None:
        return section.say(
            "No audio, teacher and exported student were found together, so there is "
            "no utterance to show."
        )
    section.say(
        "CTC probabilities of all tokens but the blank, frame by frame; the letters "
        "above are the tokens of the greedy path, where they have room (␣ is the "
        "space). The reference is aligned to the teacher's posteriors along the "
        "likeliest CTC path; frame weights are those of RKD on the teacher's frames, "
        f"with a mean of one. Pictures show at most {MAX_SECONDS:.0f} s, the audio is "
        "whole."
    )
    for utt_id in choose_utterances(setting, models):
        section.blocks += _show_utterance(setting, album, models, utt_id)
    return section


def choose_utterances(setting: Setting, models: Models) -> List[str]:
    """Take the ids that were asked for, or that many, spread over the set."""
    asked = list(setting.utterances)
    if len(asked) == 1 and asked[0].isdecimal() and asked[0] not in models.audio:
        return spread(sorted(models.audio), int(asked[0]))
    unknown = [utt_id for utt_id in asked if utt_id not in models.audio]
    if unknown:
        raise ValueError(
            f"--utterances: {' '.join(unknown)} not in {setting.speech_set}, expected "
            f"ids such as {' '.join(list(models.audio)[:3])}, or a number. "
            "--speech_set chooses another set."
        )
    return asked


def _show_utterance(
    setting: Setting, album: Album, models: Models, utt_id: str
) -> List:
    from espnet_tutornet.report import recognition

    path, text = models.audio[utt_id]
    wave, fs = recognition.read_audio(path)
    heard = models.teacher.recognise(wave, fs)
    weights = None
    if models.term:
        weights = recognition.weigh_frames(heard, models.term, models.teacher.blank_id)
    mel, mel_shift = recognition.log_mel(wave, fs)
    styles = setting.styles
    rows = [_row("teacher", METHOD_STYLES["teacher"][0], models.teacher, heard)]
    for key in _pairs(setting, models):
        student, _, label = key
        recogniser = models.students[key]
        rows.append(
            _row(
                f"{student}: {label}",
                styles[label][0],
                recogniser,
                recogniser.recognise(wave, fs),
            )
        )
    seconds = min(len(wave) / fs, MAX_SECONDS)
    reference = _align(setting, models, heard, utt_id, text)
    shown = UtterancePicture(
        mel,
        mel_shift,
        reference,
        weights,
        models.term.get("frame_weights", "nonblank"),
        rows,
        seconds,
    )
    summary = "; ".join(f"{row.label}: {_read_out(row)}" for row in rows)
    alt = f"Utterance {utt_id}. {summary}."
    picture = album.add(f"utterance_{utt_id}", alt, shown.height, draw_utterance, shown)
    caption = (
        f"{utt_id}, {len(wave) / fs:.2f} s, {rows[0].shift * 1000:.0f} ms a frame "
    )
    caption += f"of the teacher. Reference: {text or 'none'}."
    source = recognition.embed_audio(wave, fs)
    return [
        Heading(utt_id),
        Audio(f"Play {utt_id}", source),
        Figures([Figure(picture, caption)], wide=True),
    ]


def _pairs(setting: Setting, models: Models) -> List[Key]:
    """Choose what is drawn of each student: without distillation, and at its best."""
    test_sets = [setting.speech_set, *setting.test_sets]
    chosen: List[Key] = []
    for student in setting.students[:MAX_STUDENTS]:
        best = best_distilled(setting.points, student, test_sets)
        for key in models.students:
            if key[0] == student and (
                key[1] == "none" or (best is not None and key[2] == best.label)
            ):
                chosen.append(key)
    return chosen


def _row(label: str, color: str, recogniser: "Recogniser", outputs: "Outputs") -> Row:
    non_blank = np.exp(np.delete(outputs.log_probs, recogniser.blank_id, axis=1))
    spikes = find_spikes(outputs.log_probs, recogniser.token_list, recogniser.blank_id)
    return Row(label, color, non_blank, spikes, outputs.shift / 1000)


def _read_out(row: Row) -> str:
    tokens = (spike.token for spike in row.spikes)
    return "".join(
        " " if t == "<space>" else t.replace("▁", " ") for t in tokens
    ).strip()


def _align(setting: Setting, models: Models, heard: "Outputs", utt_id: str, text: str):
    from espnet_tutornet.report.recognition import force_align

    try:
        ids = models.teacher.token_ids(text)
        spans = force_align(heard.log_probs, ids, models.teacher.blank_id)
    except (ValueError, FileNotFoundError) as error:
        setting.notes.append(f"{utt_id}: the transcript is not aligned: {error}")
        return []
    shift = heard.shift / 1000
    names = [models.teacher.token_list[number] for number in ids]
    return [(n, a * shift, b * shift) for n, (a, b) in zip(names, spans)]


def draw_utterance(figure: Canvas, shown: UtterancePicture):
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
