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


def copy_jobs(layout: Layout, fs: int) -> List[Job]:
    """Copy blocks of the teacher, for each student and form.

    Args:
        layout: of the experiment.
        fs: sampling rate in Hz.
    """
    teacher, tokens = layout.teacher, f"{layout.tokendir}/tokens.txt"
    jobs = []
    for form in layout.copied_forms:
        overlay = layout.options.overlay_of(form)
        chooses = form != COPIED or Path(overlay).is_file()
        for student in layout.students:
            directory = layout.start_of(student, form)
            depends = [student, teacher.config, teacher.model, tokens]
            args = ["--student_config", student, "--token_list", tokens]
            args += ["--teacher_config", teacher.config]
            args += ["--teacher_model", teacher.model, "--fs", str(fs)]
            args += ["--output", f"{directory}/{START}"]
            if chooses:
                depends.append(overlay)
                args += ["--overlay", overlay]
            module = f"{OURS}.copy_start"
            jobs.append(Job.within(directory, "copy", depends, module, args))
    return jobs
