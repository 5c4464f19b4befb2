"""ESPnet's ASR task with a teacher."""

import argparse
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
import yaml
from espnet2.tasks.asr import ASRTask, model_choices
from espnet2.utils.nested_dict_action import NestedDictAction

import espnet_tutornet.encoder.register  # noqa: F401, a student may have them
from espnet_tutornet.asr.tutornet_model import TutorNetASRModel
from espnet_tutornet.distill.distiller import Distiller, term_needs
from espnet_tutornet.distill.terms import needs_tokens
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.layers.token_mapping import UNSEEN
from espnet_tutornet.tasks.masking import mask_student
from espnet_tutornet.tasks.teachers import (
    add_cache_stream,
    build_teacher,
    check_teacher_conf,
    refuse_augmentation,
    streams_of,
)
from espnet_tutornet.teacher.kinds import check_sampling_rates, sampling_rate
from espnet_tutornet.teacher.mapped import map_teacher
from espnet_tutornet.utils.config import check_keys, choose
from espnet_tutornet.utils.files import atomic_write

model_choices.classes["tutornet"] = TutorNetASRModel

CONF_KEYS = ("teacher", "terms", "task_weight", "delay", "mask_padding", "unseen")
MASK_PADDING = dict.fromkeys(("teacher", "all", "none"))  # whose padding is masked


class TutorNetTask(ASRTask):
    """ASRTask plus ``--distill_conf``.

    Keys of ``distill_conf``:
        teacher: ``config`` (ESPnet's config.yaml) and ``model`` (the .pth), or
            ``cache`` (a directory of its outputs); ``missing`` (``error``, ``skip``
            or ``online``) says what to do with utterances that the cache lacks.
            Several teachers: ``members``, name -> such a block, and ``combine``
            (``average``, ``weighted`` or ``best``, see :class:`TeacherEnsemble`).
        terms: each with its constructor's arguments: ``rkd``
            (:class:`RepresentationTerm`), ``skd`` (:class:`SoftmaxTerm`), ``decoder``
            (:class:`DecoderTerm`), ``sequence`` (:class:`SequenceTerm`), ``inter``
            (:class:`InterTerm`); further ones of a kind under names such as
            ``rkd_middle``.
        task_weight: factor of ESPnet's own loss, 1.0 unless given; 0.0 is the RKD
            stage.
        delay: student frames by which it learns to be later than its teacher, see
            :class:`Distiller`.
        mask_padding: which networks read no padded frame (:func:`mask_padding`):
            ``teacher`` unless given; ``all``, the student in training, too; ``none``,
            as ESPnet has it. ESPnet 202611 masks most encoders itself.
        unseen: where the student has some of the teacher's tokens, what becomes of the
            rest: ``unk`` unless given, or ``renormalise``; see :class:`TokenMapping`.

    The student's dumped config.yaml is a plain ESPnet one; the distillation is recorded
    beside it in ``distill.yaml``.
    """

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add ``--distill_conf`` to ESPnet's arguments."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="Distillation related")
        group.add_argument(
            "--distill_conf",
            action=NestedDictAction,
            default={},
            help="Teacher, terms and task_weight; empty trains without distillation",
        )

    # Of the running training. ESPnet hands a task nothing but its arguments, and dumps
    # them all: what must not be in the student's config.yaml cannot be there.
    _teacher_conf: Mapping[str, Any] = {}

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False):
        """Name the streams that may be there: ESPnet's and the cached teacher's."""
        own = streams_of(cls._teacher_conf)
        return (*super().optional_data_names(train, inference), *own)

    @classmethod
    def build_iter_options(cls, args, distributed_option, mode: str):
        """Add the caches, where there are any, to the streams of ``mode``."""
        options = super().build_iter_options(args, distributed_option, mode)
        if mode == "plot_att":
            return options
        for stream, conf in streams_of(cls._teacher_conf).items():
            where = Path(args.output_dir)
            options = add_cache_stream(options, conf, where, mode, stream)
        return options

    @classmethod
    def main_worker(cls, args: argparse.Namespace):
        """Train; of several processes, none ends before all have.

        ESPnet leaves the group of processes to the interpreter's exit, where one that
        loses its peers may abort although its training went well.
        """
        super().main_worker(args)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> TutorNetASRModel:
        """Build the student and, unless statistics are collected, its teacher.

        ``args`` comes out as a stock ASR task would have it: that is what ESPnet dumps.

        Raises:
            ValueError: an unknown key, a missing one, or token lists that differ
                while SKD is on.
        """
        conf = dict(getattr(args, "distill_conf", None) or {})
        vars(args).pop("distill_conf", None)
        args.model = "tutornet"
        cls._teacher_conf = {}
        provide_rnnt_loss(getattr(args, "decoder", None))
        model = super().build_model(args)
        args.model = "espnet"
        if conf and not getattr(args, "collect_stats", False):
            _check_conf(conf)
            _refuse_time_warp(args)
            if streams_of(conf["teacher"]):
                refuse_augmentation(args)
            cls._teacher_conf = conf["teacher"]
            add_distillation(model, fs=sampling_rate(args), **conf)
            if getattr(args, "output_dir", None) is not None:
                _record(conf, Path(args.output_dir))
        return model


def add_distillation(
    model: TutorNetASRModel,
    teacher: Mapping[str, Any],
    terms: Mapping[str, Mapping[str, Any]],
    task_weight: float = 1.0,
    delay: int = 0,
    mask_padding: str = "teacher",
    unseen: str = "unk",
    fs: Optional[int] = None,
) -> None:
    """Load the teacher, build the terms and hand both to the student.

    Args:
        model: the student.
        teacher: see :class:`TutorNetTask`.
        terms: term name -> its arguments.
        task_weight: factor of the student's own loss.
        delay: student frames by which it is later than its teacher.
        mask_padding: whose padding is masked, see :class:`TutorNetTask`.
        unseen: what becomes of tokens that the student lacks.
        fs: the student's sampling rate in Hz, or None where it is not known.

    Raises:
        ValueError: sampling rates that differ, or token lists that differ while
            posteriors are compared.
    """
    choose("distill_conf: mask_padding", MASK_PADDING, mask_padding)
    choose("distill_conf: unseen", UNSEEN, unseen)
    if mask_padding == "all":
        mask_student(model)
    # Teacher and adapters must not shift the random numbers of the training, nor the
    # teacher those of the adapters: online and cached start alike.
    with torch.random.fork_rng(devices=[]):
        needs = term_needs(terms)
        tutor = build_teacher(teacher, needs, masked=mask_padding != "none")
    check_sampling_rates("the student's frontend_conf says fs:", fs, tutor.fs)
    tutor = map_teacher(tutor, model.token_list, unseen)
    if needs_tokens(terms):
        check_token_lists(model.token_list, tutor.token_list)
    with torch.random.fork_rng(devices=[]):
        distiller = Distiller(
            terms,
            student_sizes=probe_model(model, needs.student_layers).sizes,
            teacher_sizes=tutor.sizes,
            blank_id=tutor.blank_id,
            delay=delay,
            vocab_size=len(tutor.token_list),
        )
    model.set_distillation(distiller, tutor, task_weight)


def check_token_lists(student: Sequence[str], teacher: Sequence[str]) -> None:
    """Refuse SKD between different token lists.

    Raises:
        ValueError: they differ; the message names the first difference.
    """
    if list(student) == list(teacher):
        return
    where = next(
        (i for i, pair in enumerate(zip(student, teacher)) if pair[0] != pair[1]),
        min(len(student), len(teacher)),
    )
    raise ValueError(
        "SKD compares posteriors token by token, but the token lists differ: student "
        f"{len(student)} tokens, teacher {len(teacher)}; first difference at {where}: "
        f"{_at(student, where)!r} and {_at(teacher, where)!r}. Take over the teacher's "
        "tokens (run.sh --token_type teacher), or those that the training text uses "
        "(--student_tokens seen). Or keep these tokens, and use RKD alone (--methods "
        "rkd_task) or the teacher's text (--pseudo_labels true)."
    )


def _at(tokens: Sequence[str], index: int) -> Optional[str]:
    return tokens[index] if index < len(tokens) else None


def _check_conf(conf: Mapping[str, Any]) -> None:
    check_keys("distill_conf", CONF_KEYS, conf)
    for key in ("teacher", "terms"):
        if not conf.get(key):
            raise ValueError(
                f"distill_conf: {key} is missing. Known keys: {CONF_KEYS}."
            )
    check_teacher_conf(conf["teacher"])


def _refuse_time_warp(args: argparse.Namespace) -> None:
    specaug_conf = getattr(args, "specaug_conf", None) or {}
    specaug = getattr(args, "specaug", None)
    if specaug is not None and specaug_conf.get("apply_time_warp", True):
        raise ValueError(
            "specaug_conf: apply_time_warp is on (ESPnet's default): the student would "
            "hear another time axis than its teacher. Set apply_time_warp: false."
        )


def _record(conf: Mapping[str, Any], output_dir: Path) -> None:
    with atomic_write(output_dir / "distill.yaml") as f:
        yaml.safe_dump(dict(conf), f, sort_keys=False)
