"""Make the teacher that a yaml block names: online, from a cache, or both."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping

from espnet2.tasks.abs_task import IteratorOptions
from espnet2.train.dataset import DATA_TYPES

from espnet_tutornet.cache.manifest import Manifest, fingerprint, read_manifest
from espnet_tutornet.cache.store import check_shards, load_codebooks, open_cache
from espnet_tutornet.distill.distiller import TermNeeds
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.ensemble import TeacherEnsemble
from espnet_tutornet.teacher.kinds import identity
from espnet_tutornet.teacher.loading import load_config
from espnet_tutornet.teacher.online import OnlineTeacher
from espnet_tutornet.teacher.safe_load import load_parameters
from espnet_tutornet.utils.config import check_keys, choose
from espnet_tutornet.utils.files import atomic_write

TEACHER_KEYS = ("config", "model", "cache", "missing")
ENSEMBLE_KEYS = ("members", "combine")
MISSING = dict.fromkeys(("error", "skip", "online"))
DATA_TYPE = "tutornet_cache"
DATA_TYPES[DATA_TYPE] = dict(
    func=open_cache,
    kwargs=[],
    help="Teacher outputs, a directory that espnet_tutornet.bin.dump_teacher wrote.",
)
# What changes the audio at every epoch: a cache heard it once, as it is on disk.
AUGMENTATIONS = ("rir_scp", "noise_scp", "speech_volume_normalize")


def check_teacher_conf(conf: Mapping[str, Any]) -> None:
    """Refuse a block that does not say where the teacher, or each of several, is.

    Raises:
        ValueError: an unknown key, a missing one, or one that makes no sense.
    """
    if "members" in conf:
        check_keys("distill_conf: teacher", ENSEMBLE_KEYS, conf)
        for member in conf["members"].values():
            check_teacher_conf(member)
        return
    check_keys("distill_conf: teacher", TEACHER_KEYS, conf)
    choose("distill_conf: teacher: missing", MISSING, conf.get("missing", "error"))
    paths = [key for key in ("config", "model") if key in conf]
    online = conf.get("missing") == "online"
    if len(paths) == 1 or (not paths and ("cache" not in conf or online)):
        missing = sorted({"config", "model"} - set(paths))
        raise ValueError(
            f"distill_conf: teacher: {missing} missing: paths of a model. Without "
            "them give cache, a directory of its outputs (and not missing: online)."
        )
    if "missing" in conf and "cache" not in conf:
        raise ValueError(
            "distill_conf: teacher: missing is for a cache, but there is no cache."
        )


def streams_of(conf: Mapping[str, Any]) -> Dict[str, Mapping[str, Any]]:
    """Name the streams of the caches in ``conf``: stream -> the teacher's block.

    Example:
        >>> streams_of({"members": {"a": {"cache": "x"}, "b": {"config": "y"}}})
        {'teacher_a': {'cache': 'x'}}
    """
    members = conf.get("members")
    if members is None:
        named = {"teacher": conf}
    else:
        named = {f"teacher_{name}": member for name, member in members.items()}
    return {name: member for name, member in named.items() if "cache" in member}


def build_teacher(
    conf: Mapping[str, Any],
    needs: TermNeeds,
    stream: str = "teacher",
    masked: bool = True,
):
    """Build the teacher of ``conf``.

    Args:
        conf: ``config`` and ``model`` (online), ``cache``, ``missing``; or several of
            these as ``members`` by name, and ``combine``.
        needs: what the terms read.
        stream: name of a cache in the batch.
        masked: let no utterance hear the padding of its batch.

    Returns:
        An :class:`OnlineTeacher`, a :class:`CachedTeacher` or a
        :class:`TeacherEnsemble`.

    Raises:
        RuntimeError: a shard of the cache is damaged, or another teacher's.
        ValueError: the terms read what such a teacher cannot give.
    """
    if needs.lattice and ("members" in conf or "cache" in conf):
        kind = "several teachers" if "members" in conf else "a cache of outputs"
        raise ValueError(
            f"the term transducer reads a teacher's lattice, which {kind} cannot give. "
            "Ask one teacher online (run.sh --teacher_outputs online), or remove the "
            "term."
        )
    if "members" in conf:
        if needs.decoder:  # what their decoders say is weighed by their CTC posteriors
            needs = needs._replace(posteriors=True)
        members = {}
        for name, member in conf["members"].items():
            members[name] = build_teacher(member, needs, f"teacher_{name}", masked)
            needs = needs._replace(teacher_layers=())  # hidden states: the first's
        return TeacherEnsemble(members, conf.get("combine", "average"))
    given = dict(layers=needs.teacher_layers, use_posteriors=needs.posteriors)
    files = {key: conf[key] for key in ("config", "model") if key in conf}
    if "cache" not in conf:
        return OnlineTeacher.from_files(
            **files,
            **given,
            use_decoder=needs.decoder,
            use_lattice=needs.lattice,
            masked=masked,
        )
    if needs.decoder:
        raise ValueError(
            f"{conf['cache']} keeps no posteriors of the attention decoder, which the "
            "term decoder reads. Ask the teacher online (run.sh --teacher_outputs "
            "online), or remove the term."
        )
    manifest = read_manifest(conf["cache"])
    check_shards(conf["cache"], manifest, thorough=True)
    if files:
        _check_fingerprint(conf["cache"], manifest, masked, **files)
    substitute = None
    if conf.get("missing") == "online":
        substitute = OnlineTeacher.from_files(**files, **given, masked=masked)
    codebooks = load_codebooks(conf["cache"])
    return CachedTeacher(
        manifest, codebooks, stream=stream, substitute=substitute, **given
    )


def refuse_augmentation(args: argparse.Namespace) -> None:
    """Refuse audio that changes from epoch to epoch beside a cache.

    Raises:
        ValueError: names the argument.
    """
    found = [name for name in AUGMENTATIONS if getattr(args, name, None) is not None]
    if (getattr(args, "preprocessor_conf", None) or {}).get("data_aug_effects"):
        found.append("preprocessor_conf: data_aug_effects")
    if found:
        raise ValueError(
            f"{', '.join(found)}: the student would hear other audio than its teacher, "
            "whose cached outputs are of the audio on disk. Remove it, run the teacher "
            "online (run.sh --teacher_outputs online), or perturb the speed offline "
            "(run.sh --speed_perturb_factors)."
        )


def add_cache_stream(
    options: IteratorOptions,
    conf: Mapping[str, Any],
    output_dir: Path,
    mode: str,
    stream: str = "teacher",
) -> IteratorOptions:
    """Add a cache to what ESPnet's loader reads.

    Args:
        options: of ESPnet, for one of its iterators.
        conf: ``cache`` and ``missing``.
        output_dir: of the training; the shape files of ``missing: skip`` go there.
        mode: ``train`` or ``valid``.
        stream: its name in the batch.

    Raises:
        ValueError: the cache lacks utterances and ``missing`` is ``error``.
    """
    known = open_cache(conf["cache"])
    shapes = [Path(path).read_text(encoding="utf-8") for path in options.shape_files]
    absent = [i for i in _ids(shapes[0]) if i not in known] if shapes else []
    shape_files = list(options.shape_files)
    if absent and conf.get("missing", "error") == "error":
        raise ValueError(
            f"{len(absent)} utterances of the {mode} set are not in {conf['cache']}: "
            f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}. Dump them "
            "(run.sh, stage 8), or set teacher: missing to skip or to online."
        )
    if absent and conf.get("missing") == "skip":
        gone = set(absent)
        for number, content in enumerate(shapes):
            path = output_dir / f"{mode}_shape.{number}.{stream}"
            with atomic_write(path) as f:
                f.writelines(
                    line
                    for line in content.splitlines(keepends=True)
                    if line.split(maxsplit=1)[0] not in gone
                )
            shape_files[number] = str(path)
    triple = (str(conf["cache"]), stream, DATA_TYPE)
    paths = [*options.data_path_and_name_and_type, triple]
    return replace(options, data_path_and_name_and_type=paths, shape_files=shape_files)


def _ids(shape_file: str) -> List[str]:
    return [line.split(maxsplit=1)[0] for line in shape_file.splitlines()]


def _check_fingerprint(
    cache: str, manifest: Manifest, masked: bool, config: str, model: str
) -> None:
    conf = identity(vars(load_config(config)))
    found = fingerprint(conf, load_parameters(model), masked)
    if found != manifest.fingerprint:
        raise RuntimeError(
            f"{cache} holds the outputs of another teacher, or of one that was asked "
            f"in another way (fingerprint {manifest.fingerprint[:12]}, padding "
            f"{manifest.padding}), than {model} ({found[:12]}). Dump its "
            "outputs (run.sh, stage 8), or give the teacher that the cache is of."
        )
