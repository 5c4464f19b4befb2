"""The stages that make data: directories, copies, filters, tokens."""

import os
from pathlib import Path
from typing import List, Sequence

from espnet_tutornet.experiment.launcher import Launcher
from espnet_tutornet.experiment.options import SOURCES
from espnet_tutornet.experiment.plan import Plan


class DataStages:
    """Stages 1 to 4.

    Args:
        plan: of the experiment; the working directory is that of the recipe.
        launcher: runs their commands.
    """

    def __init__(self, plan: Plan, launcher: Launcher):
        self.options, self.layout = plan.options, plan.layout
        self.call, self.load = launcher.call, launcher.load

    def make_data(self) -> None:
        """Make raw data directories of what the recipe knows."""
        options, layout = self.options, self.layout
        downloads = os.environ.get("DOWNLOADS", "downloads")  # of db.sh
        source = ["--corpus", options.corpus, "--downloads", downloads]
        for name in SOURCES:
            if getattr(options, name):
                source = [f"--{name}", getattr(options, name)]
        self.call(
            "prepare_data",
            *source,
            "--sets",
            *layout.prepared_sets,
            "--unlabelled_sets",
            *options.unlabelled_sets.split(),
            *("--out_dir", options.datadir, "--nj", str(options.nj)),
        )

    def format(self) -> None:
        """Format data directories: sampling rate, channel, segments, transcripts."""
        options, layout = self.options, self.layout
        more = []
        if options.num_labelled:
            more = ["--num_labelled", options.num_labelled]
            more += ["--labelled_set", layout.labelled_sets[0]]
        self.call(
            "format_data",
            *("--datadir", options.datadir, "--sets", *layout.prepared_sets),
            "--unlabelled_sets",
            *(f"{name}_unlabelled" for name in options.unlabelled_sets.split()),
            *("--fs", options.fs, "--channel", options.channel),
            *("--text_case", options.text_case, "--cleaner", options.cleaner),
            *("--non_linguistic_symbols", options.nlsyms_txt),
            *("--nj", str(options.nj)),
            *more,
        )

    def derive(self) -> None:
        """Make copies with other speeds, and with noise."""
        options, layout = self.options, self.layout
        hidden = layout.data_dirs(layout.hidden_sets, derived=False)
        nj = ("--nj", str(options.nj))
        if options.speed_perturb_factors:
            for folder in [
                *layout.data_dirs(layout.train_sets, derived=False),
                *hidden,
            ]:
                self.call(
                    "derive_data",
                    *("--data_dir", folder, "--out_dir", f"{folder}_sp"),
                    *("--speed_factors", options.speed_perturb_factors, *nj),
                    *(["--unlabelled"] if folder in hidden else []),
                )
        for name in options.noisy_sets.split():
            folder = f"{options.datadir}/{name}"
            self.call(
                "derive_data",
                *("--data_dir", folder, "--out_dir", f"{folder}_noisy"),
                *("--noise_db", options.noise_db, *nj),
            )

    def filter_durations(self) -> None:
        """Leave out what is too short or too long."""
        options, layout = self.options, self.layout
        limits = ["--fs", self._fs(), "--min_wav_duration", options.min_wav_duration]
        limits += ["--max_wav_duration", options.max_wav_duration]
        train = layout.data_dirs(layout.train_sets)
        self._filter(layout.train_set, train, [], limits)
        valid = [f"{options.datadir}/{layout.valid_set}"]
        self._filter(layout.valid_set, valid, [], limits)
        if layout.hidden_sets:
            hidden = layout.data_dirs(layout.hidden_sets)
            self._filter(layout.audio_set, train, hidden, limits)

    def make_tokens(self) -> None:
        """Make the token list, and leave out what is too short for CTC."""
        options, layout = self.options, self.layout
        if options.brings_teacher:
            names = ["teacher", "teacher_model", "teacher_fs", "teacher_lang"]
            words = {name: getattr(options, name) for name in [*names, "teacher_task"]}
            words["asr_train_config"] = options.teacher_asr_train_config
            words["asr_model_file"] = options.teacher_asr_model_file
            given = [x for k, v in words.items() if v for x in (f"--{k}", v)]
            self.call("bring_teacher", *given, "--out_dir", layout.teacher.directory)
        text = layout.dump(layout.train_set, "text")
        if layout.takes_teacher_tokens:
            source = ["--teacher_config", layout.teacher.config]
            source += ["--seen_in", text] if options.student_tokens == "seen" else []
        else:
            source = ["--token_type", options.token_type, "--nbpe", str(options.nbpe)]
            source += ["--text", text]
        symbols = ["--non_linguistic_symbols", options.nlsyms_txt]
        self.call("make_tokens", *source, *symbols, "--out_dir", layout.tokendir)
        folder = Path(layout.tokendir)
        kind = (folder / "token_type").read_text().strip()
        limits = ["--token_list", f"{folder}/tokens.txt", "--token_type", kind]
        limits += ["--bpemodel", f"{folder}/bpe.model", "--fs", self._fs()]
        limits += [*symbols, "--configs", *self._configs()]
        limits += ["--unk_max", options.unk_max] if options.unk_max else []
        self.load("student.frame_shift")  # ESPnet, once for all
        for name in (layout.train_set, layout.valid_set):
            self._filter(name, [layout.dump(name)], [], limits)
        if layout.hidden_sets:
            name = layout.audio_set
            self._filter(name, [], [layout.dump(name)], limits)

    def _configs(self) -> List[str]:
        teacher = self.layout.teacher
        return [*filter(None, [teacher.train_config]), *self.layout.students]

    def _filter(
        self, name: str, dirs: List[str], hidden: List[str], limits: Sequence[str]
    ) -> None:
        words = ["--data_dirs", *dirs, "--unlabelled_dirs", *hidden]
        self.call("filter_data", *words, "--out_dir", self.layout.dump(name), *limits)

    def _fs(self) -> str:
        return Path(self.options.datadir, "fs").read_text().strip()
