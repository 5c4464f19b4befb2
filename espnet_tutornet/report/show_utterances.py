"""Section on speech: utterances frame by frame, to see and to hear."""

from typing import TYPE_CHECKING, List, Optional

import numpy as np

from espnet_tutornet.report.choir import Choir, Key, spread
from espnet_tutornet.report.page import Audio, Figure, Figures, Heading, Section
from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.plots_speech import Row, UtterancePicture, draw_utterance
from espnet_tutornet.report.points import best_distilled
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.spikes import find_spikes, force_align

if TYPE_CHECKING:
    from espnet_tutornet.report.voices import Said, Voice

MAX_SECONDS = 4.0  # of a picture; the audio is whole
MAX_STUDENTS = 2  # of a picture


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
