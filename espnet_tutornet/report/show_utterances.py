"""Section on speech: utterances frame by frame, to see and to hear."""

from typing import TYPE_CHECKING, List, Optional

import numpy as np

from espnet_tutornet.report.models import Key, Models, spread
from espnet_tutornet.report.page import Audio, Figure, Figures, Heading, Section
from espnet_tutornet.report.pictures import METHOD_STYLES, Album
from espnet_tutornet.report.plots_speech import Row, UtterancePicture, draw_utterance
from espnet_tutornet.report.points import best_distilled
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.spikes import find_spikes, force_align

if TYPE_CHECKING:
    from espnet_tutornet.report.recognition import Outputs, Recogniser

MAX_SECONDS = 4.0  # of a picture; the audio is whole
MAX_STUDENTS = 2  # of a picture


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
    try:
        ids = models.teacher.token_ids(text)
        spans = force_align(heard.log_probs, ids, models.teacher.blank_id)
    except (ValueError, FileNotFoundError) as error:
        setting.notes.append(f"{utt_id}: the transcript is not aligned: {error}")
        return []
    shift = heard.shift / 1000
    names = [models.teacher.token_list[number] for number in ids]
    return [(n, a * shift, b * shift) for n, (a, b) in zip(names, spans)]
