"""Sections on speech: utterances frame by frame, and when models say their tokens."""

from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

import numpy as np

from espnet_tutornet.report.experiments import Experiment, rkd_term
from espnet_tutornet.report.page import Audio, Figure, Figures, Heading, Section, Table
from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.plots_speech import (
    Row,
    UtterancePicture,
    draw_offsets,
    draw_utterance,
)
from espnet_tutornet.report.points import best_distilled
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.spikes import find_spikes, force_align, spike_offsets

if TYPE_CHECKING:
    from espnet_tutornet.report.voices import Said, Voice

MAX_SECONDS = 6.0  # of a picture; the audio is whole
MAX_STUDENTS = 2  # of a picture
Key = Tuple[str, str, str]  # student, method, label


@dataclass
class Choir:
    """The models that listen: teacher first, by student and method.

    Attributes:
        teacher: of the students.
        students: trained models by student, method and label.
        term: arguments of the RKD term, {} where none was used.
        audio: utterance id -> path and transcript.
    """

    teacher: "Voice"
    students: Dict[Key, "Voice"]
    term: Dict
    audio: Dict[str, Tuple[str, str]]


def gather_choir(setting: Setting) -> Optional[Choir]:
    """Load the teacher and the first seed of every method; None where one lacks.

    What cannot be loaded is noted and left out.
    """
    directory = setting.datadir / setting.speech_set
    teachers = [e for e in setting.experiments if e.method == "teacher"]
    if not teachers or not setting.speech_set or not (directory / "wav.scp").is_file():
        return None
    from espnet_tutornet.report import voices  # loads ESPnet, for who needs it

    first = next((e.first_stage for e in setting.experiments if e.first_stage), None)
    term = rkd_term(first) if first else {}
    layer = term.get("teacher_layer", "last")
    teacher = _load(voices, setting, teachers[0], layer)
    students: Dict[Key, "Voice"] = {}
    for point in setting.points:
        if point.student in setting.students and teacher is not None:
            voice = _load(voices, setting, point.experiments[0])
            if voice is not None:
                students[point.student, point.method, point.label] = voice
    if not students:
        return None
    return Choir(teacher, students, term, voices.read_set(directory))


def _load(voices, setting: Setting, experiment: Experiment, layer: str = "last"):
    files = voices.find_files(experiment.path)
    if files is None:
        return None
    try:
        return voices.Voice(*files, layer)
    except (ValueError, FileNotFoundError) as error:
        setting.notes.append(f"{experiment.path.name} cannot be heard: {error}")
        return None


def show_utterances(setting: Setting, album: Album, choir: Optional[Choir]) -> Section:
    """Show what teacher and students say of a few utterances, and play them."""
    section = Section("utterances", "Utterances, frame by frame")
    if choir is None:
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
    for utt_id in choose_utterances(setting, choir):
        section.blocks += _show_utterance(setting, album, choir, utt_id)
    return section


def choose_utterances(setting: Setting, choir: Choir) -> List[str]:
    """Take the ids that were asked for, or that many, spread over the set."""
    asked = list(setting.utterances)
    if len(asked) == 1 and asked[0].isdecimal() and asked[0] not in choir.audio:
        return spread(sorted(choir.audio), int(asked[0]))
    unknown = [utt_id for utt_id in asked if utt_id not in choir.audio]
    if unknown:
        raise ValueError(
            f"--utterances: {' '.join(unknown)} not in {setting.speech_set}, expected "
            f"ids such as {' '.join(list(choir.audio)[:3])}, or a number. --speech_set "
            "chooses another set."
        )
    return asked


def spread(items: List[str], number: int) -> List[str]:
    """Take ``number`` items at equal distances.

    Example:
        >>> spread(list("abcdefgh"), 3)
        ['b', 'e', 'g']
    """
    number = min(number, len(items))
    return [items[int((n + 0.5) * len(items) / number)] for n in range(number)]


def _show_utterance(setting: Setting, album: Album, choir: Choir, utt_id: str) -> List:
    from espnet_tutornet.report import voices

    path, text = choir.audio[utt_id]
    wave, fs = voices.read_audio(path)
    heard = choir.teacher.say(wave, fs)
    weights = None
    if choir.term:
        weights = voices.weigh_frames(heard, choir.term, choir.teacher.blank_id)
    mel, mel_shift = voices.log_mel(wave, fs)
    rows = [_row("teacher", "teacher", choir.teacher, heard)]
    for student, method, label in _pairs(setting, choir):
        voice = choir.students[student, method, label]
        rows.append(_row(f"{student}: {label}", method, voice, voice.say(wave, fs)))
    seconds = min(len(wave) / fs, MAX_SECONDS)
    reference = _align(setting, choir, heard, utt_id, text)
    shown = UtterancePicture(
        mel,
        mel_shift,
        reference,
        weights,
        choir.term.get("frame_weights", "nonblank"),
        rows,
        seconds,
    )
    said = "; ".join(f"{row.label}: {_read_out(row)}" for row in rows)
    alt = f"Utterance {utt_id}. {said}."
    picture = album.add(f"utterance_{utt_id}", alt, shown.height, draw_utterance, shown)
    caption = (
        f"{utt_id}, {len(wave) / fs:.2f} s, {rows[0].shift * 1000:.0f} ms a frame "
    )
    caption += f"of the teacher. Reference: {text or 'none'}."
    source = voices.embed_audio(wave, fs)
    return [
        Heading(utt_id),
        Audio(f"Play {utt_id}", source),
        Figures([Figure(picture, caption)], wide=True),
    ]


def _pairs(setting: Setting, choir: Choir) -> List[Key]:
    """Choose what is drawn of each student: without distillation, and at its best."""
    test_set = setting.speech_set
    chosen: List[Key] = []
    for student in setting.students[:MAX_STUDENTS]:
        best = best_distilled(setting.points, student, test_set)
        for key in choir.students:
            if key[0] == student and (
                key[1] == "none" or (best is not None and key[2] == best.label)
            ):
                chosen.append(key)
    return chosen


def _row(label: str, method: str, voice: "Voice", said: "Said") -> Row:
    non_blank = np.exp(np.delete(said.log_probs, voice.blank_id, axis=1))
    spikes = find_spikes(said.log_probs, voice.token_list, voice.blank_id)
    return Row(label, method, non_blank, spikes, said.shift / 1000)


def _read_out(row: Row) -> str:
    tokens = (spike.token for spike in row.spikes)
    return "".join(
        " " if t == "<space>" else t.replace("▁", " ") for t in tokens
    ).strip()


def _align(setting: Setting, choir: Choir, heard: "Said", utt_id: str, text: str):
    try:
        ids = choir.teacher.token_ids(text)
        spans = force_align(heard.log_probs, ids, choir.teacher.blank_id)
    except (ValueError, FileNotFoundError) as error:
        setting.notes.append(f"{utt_id}: the transcript is not aligned: {error}")
        return []
    shift = heard.shift / 1000
    names = [choir.teacher.token_list[number] for number in ids]
    return [(n, a * shift, b * shift) for n, (a, b) in zip(names, spans)]


def show_offsets(setting: Setting, album: Album, choir: Optional[Choir]) -> Section:
    """Show how much later than the teacher each student says its tokens."""
    section = Section("offsets", "When the student says its tokens")
    if choir is None:
        return section.say(
            "No audio, teacher and exported student were found together, so spikes "
            "cannot be compared."
        )
    offsets, spoken, shifts, number = _listen(setting, choir)
    section.say(
        f"Spikes of the greedy CTC path over {number} utterances of "
        f"{setting.speech_set}, first seed of each method: the time of each token that "
        "both say, student minus teacher, at the centres of the frames. Below zero the "
        "student is earlier. What lies outside the picture counts in its last bin."
    )
    figures = []
    for student in setting.students:
        found = {
            key[1:]: values for key, values in offsets.items() if key[0] == student
        }
        found = {key: values for key, values in found.items() if values}
        if not found:
            continue
        said = "; ".join(
            f"{label} median {median(values):+.0f} ms"
            for (_, label), values in found.items()
        )
        picture = album.add(
            f"offsets_{student}",
            f"Spike offsets of {student}: {said}.",
            2.7 + 0.18 * len(found),
            draw_offsets,
            found,
            shifts[student],
        )
        caption = f"{student}: a bin is a frame of {shifts[student]:.0f} ms."
        figures.append(Figure(picture, caption))
    section.blocks.append(Figures(figures))
    header = ["Student", "Method", "tokens", "in common", "mean ms", "median", "std"]
    rows = [[*key[::2], *_row_of(offsets[key], spoken[key])] for key in offsets]
    caption = "Tokens of the teacher, those in common, and their offsets"
    section.blocks.append(Table(caption, header, rows))
    return section


def _row_of(values: List[float], tokens: int) -> List[str]:
    shown = [f"{tokens}", f"{len(values)}"]
    if not values:
        return [*shown, "-", "-", "-"]
    spread_out = f"{stdev(values):.1f}" if len(values) > 1 else "-"
    return [*shown, f"{mean(values):+.1f}", f"{median(values):+.1f}", spread_out]


def _listen(setting: Setting, choir: Choir):
    """Return offsets and teacher's tokens by student and method, shifts, utterances."""
    from espnet_tutornet.report import voices

    offsets: Dict[Key, List[float]] = {key: [] for key in choir.students}
    spoken = dict.fromkeys(choir.students, 0)
    shifts: Dict[str, float] = {}
    chosen = spread(sorted(choir.audio), setting.spike_utterances)
    for utt_id in chosen:
        wave, fs = voices.read_audio(choir.audio[utt_id][0])
        theirs, teacher_shift = _spikes(choir.teacher, wave, fs)
        for key, voice in choir.students.items():
            ours, shift = _spikes(voice, wave, fs)
            offsets[key] += spike_offsets(ours, theirs, shift, teacher_shift)
            spoken[key] += len(theirs)
            shifts[key[0]] = shift
    return offsets, spoken, shifts, len(chosen)


def _spikes(voice: "Voice", wave, fs):
    said = voice.say(wave, fs)
    return find_spikes(said.log_probs, voice.token_list, voice.blank_id), said.shift
