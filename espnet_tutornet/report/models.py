"""The models that listen to a set: the teacher, and a student of each method."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from espnet_tutornet.report.experiments import Experiment, rkd_term
from espnet_tutornet.report.setting import Setting

if TYPE_CHECKING:
    from espnet_tutornet.report.recognition import Recogniser

Key = Tuple[str, str, str]  # student, method, label


@dataclass
class Models:
    """The models that listen: teacher first, by student and method.

    Attributes:
        teacher: of the students.
        students: trained models by student, method and label.
        first: those of them that had a stage 1, as it left them.
        term: arguments of the RKD term, {} where none was used.
        audio: utterance id -> path and transcript.
    """

    teacher: "Recogniser"
    students: Dict[Key, "Recogniser"]
    first: Dict[Key, "Recogniser"]
    term: Dict
    audio: Dict[str, Tuple[str, str]]


def load_models(setting: Setting) -> Optional[Models]:
    """Load the teacher and the first seed of every method; None where one lacks.

    What cannot be loaded is noted and left out.
    """
    directory = setting.datadir / setting.speech_set
    experiment = _teacher(setting)
    if (
        experiment is None
        or not setting.speech_set
        or not (directory / "wav.scp").is_file()
    ):
        return None
    from espnet_tutornet.report import recognition  # loads ESPnet, for who needs it

    first = next((e.first_stage for e in setting.experiments if e.first_stage), None)
    term = rkd_term(first) if first else {}
    layer = term.get("teacher_layer", "last")
    teacher = _load(recognition, setting, experiment.path, layer)
    students: Dict[Key, "Recogniser"] = {}
    starts: Dict[Key, "Recogniser"] = {}
    loaded: Dict[Path, "Recogniser"] = {}  # stage 1, which methods share
    for point in setting.points:
        if point.student in setting.students and teacher is not None:
            run = point.experiments[0]
            recogniser = _load(recognition, setting, run.path)
            if recogniser is None:
                continue
            key = point.student, point.method, point.label
            students[key] = recogniser
            start = run.first_stage
            if start and start not in loaded and (start / "export").is_dir():
                loaded[start] = _load(recognition, setting, start)
            if loaded.get(start):
                starts[key] = loaded[start]
    audio = recognition.read_set(directory)
    if not students or not _hears(recognition, setting, teacher, audio):
        return None
    return Models(teacher, students, starts, term, audio)


def _teacher(setting: Setting) -> Optional[Experiment]:
    """Choose the teacher of the first student to draw, or else the first."""
    drawn = (e for e in setting.experiments if e.student in setting.students)
    name = next((e.teacher for e in drawn), "")
    teachers = [e for e in setting.experiments if e.method == "teacher"]
    named = [e for e in teachers if e.path.name == name]
    return next(iter(named + teachers), None)


def _hears(recognition, setting: Setting, teacher: "Recogniser", audio: Dict) -> bool:
    """Try the first utterance; note what is wrong with it."""
    path = next(iter(audio.values()))[0]
    try:
        teacher.recognise(*recognition.read_audio(path))
    except (RuntimeError, ValueError, OSError) as error:
        setting.notes.append(f"{setting.speech_set} cannot be heard: {error}")
        return False
    return True


def _load(recognition, setting: Setting, directory: Path, layer: str = "last"):
    files = recognition.find_files(directory)
    if files is None:
        return None
    try:
        return recognition.Recogniser(*files, layer)
    except (ValueError, FileNotFoundError) as error:
        setting.notes.append(f"{directory.name} cannot be heard: {error}")
        return None


def spread(items: List[str], number: int) -> List[str]:
    """Take ``number`` items at equal distances.

    Example:
        >>> spread(list("abcdefgh"), 3)
        ['b', 'e', 'g']
    """
    number = min(number, len(items))
    return [items[int((n + 0.5) * len(items) / number)] for n in range(number)]
