"""What students are handed by their teacher: its outputs, and copies of its blocks.

Where it lives is in :mod:`espnet_tutornet.experiment.layout`.
"""

from pathlib import Path
from typing import Dict, List, Tuple

from espnet_tutornet.data.data_dir import original_of, read_two_columns
from espnet_tutornet.experiment.layout import Layout
from espnet_tutornet.experiment.methods import COPIED
from espnet_tutornet.experiment.traits import OURS
from espnet_tutornet.jobs.job import Job
from espnet_tutornet.utils.files import atomic_write

START = "model.pth"  # of a copied start
PARTS = "pseudo"  # directory of what is split for a recogniser, and of its text
AT_ONCE = 200  # utterances of a part


def teacher_words(layout: Layout) -> List[str]:
    """Return the arguments of a training that learns from the teacher."""
    options, teacher = layout.options, layout.teacher
    model = [f"teacher.config={teacher.config}", f"teacher.model={teacher.model}"]
    found: Dict[str, List[str]] = {"config": [], "online": model}
    cached = [f"teacher.cache={layout.cache}"]
    if options.cache_missing != "error":
        cached.append(f"teacher.missing={options.cache_missing}")
    if options.cache_missing == "online":
        cached += model
    found["cache"] = cached
    values = list(found[options.teacher_outputs])
    if options.mask_padding:
        values.append(f"mask_padding={options.mask_padding}")
    return [word for value in values for word in ("--distill_conf", value)]


def teacher_files(layout: Layout) -> List[str]:
    """Return the files of the teacher that such a training depends on."""
    teacher = layout.teacher
    return {
        "cache": [f"{layout.cache}/manifest.json"],
        "online": [teacher.config, teacher.model],
        "config": [],
    }[layout.options.teacher_outputs]


def split_sets(layout: Layout, names: List[str]) -> List[str]:
    """Split sets for a recogniser, which writes what is said.

    Utterances that are left out of trainings are, too; of copies at other speeds the
    original is taken.

    Args:
        layout: of the experiment.
        names: of sets, before perturbation.

    Returns:
        The names of their parts, below the data directories.
    """
    scp = Path(layout.dump(layout.audio_set, "wav.scp"))
    used = {original_of(utt_id) for utt_id in read_two_columns(scp)}
    parts = []
    for name in names:
        folder = Path(layout.options.datadir, name)
        columns = {
            file: [
                f"{utt_id} {value}\n"
                for utt_id, value in read_two_columns(folder / file).items()
                if utt_id in used
            ]
            for file in ("wav.scp", "utt2num_samples")
        }
        for start in range(0, len(columns["wav.scp"]), AT_ONCE):
            part = f"{PARTS}/{name}/{start // AT_ONCE + 1}"
            parts.append(part)
            for file, lines in columns.items():
                path = Path(layout.options.datadir, part, file)
                with atomic_write(path) as f:
                    f.writelines(lines[start : start + AT_ONCE])
    return parts


def copied_start(layout: Layout, student: str, form: str) -> Tuple[str, List[str]]:
    """Return the marker of a copied start, and the arguments of what begins as it."""
    directory = layout.start_of(student, form)
    return f"{directory}/.copy.done", ["--init_param", f"{directory}/{START}"]


def copy_checks(layout: Layout, fs: int) -> List[List[str]]:
    """Return the arguments that check a copy before the teacher is trained.

    Args:
        layout: of the experiment.
        fs: sampling rate in Hz.
    """
    pairs = [(s, form) for form in layout.copied_forms for s in layout.students]
    config = layout.teacher.train_config
    return [_copy_words(layout, *pair, config, fs) for pair in pairs if config]


def copy_jobs(layout: Layout, fs: int) -> List[Job]:
    """Copy blocks of the teacher, for each student and form.

    Args:
        layout: of the experiment.
        fs: sampling rate in Hz.
    """
    teacher, jobs = layout.teacher, []
    for form in layout.copied_forms:
        for student in layout.students:
            directory = layout.start_of(student, form)
            args = _copy_words(layout, student, form, teacher.config, fs)
            depends = [student, teacher.config, teacher.model]
            depends += [f"{layout.tokendir}/tokens.txt", *_overlay_of(layout, form)]
            args += ["--teacher_model", teacher.model]
            args += ["--output", f"{directory}/{START}"]
            module = f"{OURS}.copy_start"
            jobs.append(Job.within(directory, "copy", depends, module, args))
    return jobs


def _copy_words(
    layout: Layout, student: str, form: str, teacher: str, fs: int
) -> List[str]:
    words = ["--student_config", student, "--teacher_config", teacher]
    words += ["--token_list", f"{layout.tokendir}/tokens.txt", "--fs", str(fs)]
    overlay = _overlay_of(layout, form)
    return words + (["--overlay", *overlay] if overlay else [])


def _overlay_of(layout: Layout, form: str) -> List[str]:
    """Return what says which blocks are copied; ``copy`` alone can do without."""
    overlay = layout.options.overlay_of(form)
    return [overlay] if form != COPIED or Path(overlay).is_file() else []
