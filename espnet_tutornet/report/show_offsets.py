"""Section on time: how much later than the teacher students say their tokens."""

from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Dict, List, Optional

from espnet_tutornet.report.models import Key, Models, spread
from espnet_tutornet.report.page import Figure, Figures, Section, Table
from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.plots_speech import draw_offsets
from espnet_tutornet.report.setting import Setting
from espnet_tutornet.report.spikes import find_spikes, spike_offsets

if TYPE_CHECKING:
    from espnet_tutornet.report.recognition import Recogniser


def show_offsets(setting: Setting, album: Album, models: Optional[Models]) -> Section:
    """Show how much later than the teacher each student says its tokens."""
    section = Section("offsets", "When the student says its tokens")
    if models is None:
        return section.say(
            "No audio, teacher and exported student were found together, so spikes "
            "cannot be compared."
        )
    offsets, spoken, shifts, number = _listen(setting, models)
    section.say(
        f"Spikes of the greedy CTC path over {number} utterances of "
        f"{setting.speech_set}, first seed of each method: the time of each token that "
        "both say, student minus teacher, at the centres of the frames. Below zero the "
        "student is earlier. What lies outside the picture counts in its last bin."
    )
    figures = []
    for student in setting.students:
        ours = {key[1:]: found for key, found in offsets.items() if key[0] == student}
        ours = {key: found for key, found in ours.items() if found}
        if ours:
            figures.append(_figure(album, student, ours, shifts[student]))
    section.blocks.append(Figures(figures))
    header = ["Student", "Method", "tokens", "in common", "mean ms", "median", "std"]
    rows = [[*key[::2], *_row_of(offsets[key], spoken[key])] for key in offsets]
    caption = "Tokens of the teacher, those in common, and their offsets"
    section.blocks.append(Table(caption, header, rows))
    return section


def _figure(album: Album, student: str, found: Dict, shift: float) -> Figure:
    medians = (f"{key[1]} median {median(ms):+.0f} ms" for key, ms in found.items())
    alt = f"Spike offsets of {student}: {'; '.join(medians)}."
    height = 2.7 + 0.18 * len(found)
    picture = album.add(f"offsets_{student}", alt, height, draw_offsets, found, shift)
    return Figure(picture, f"{student}: a bin is a frame of {shift:.0f} ms.")


def _row_of(values: List[float], tokens: int) -> List[str]:
    shown = [f"{tokens}", f"{len(values)}"]
    if not values:
        return [*shown, "-", "-", "-"]
    spread_out = f"{stdev(values):.1f}" if len(values) > 1 else "-"
    return [*shown, f"{mean(values):+.1f}", f"{median(values):+.1f}", spread_out]


def _listen(setting: Setting, models: Models):
    """Return offsets and teacher's tokens by student and method, shifts, utterances."""
    from espnet_tutornet.report import recognition

    offsets: Dict[Key, List[float]] = {key: [] for key in models.students}
    spoken = dict.fromkeys(models.students, 0)
    shifts: Dict[str, float] = {}
    chosen = spread(sorted(models.audio), setting.spike_utterances)
    for utt_id in chosen:
        wave, fs = recognition.read_audio(models.audio[utt_id][0])
        theirs, teacher_shift = _spikes(models.teacher, wave, fs)
        for key, recogniser in models.students.items():
            ours, shift = _spikes(recogniser, wave, fs)
            offsets[key] += spike_offsets(ours, theirs, shift, teacher_shift)
            spoken[key] += len(theirs)
            shifts[key[0]] = shift
    return offsets, spoken, shifts, len(chosen)


def _spikes(recogniser: "Recogniser", wave, fs):
    outputs = recogniser.recognise(wave, fs)
    return (
        find_spikes(outputs.log_probs, recogniser.token_list, recogniser.blank_id),
        outputs.shift,
    )
