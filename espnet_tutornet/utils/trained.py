"""Find the files of a trained ESPnet model: packed, or where it was trained."""

import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

from espnet_tutornet.utils.packed import is_inside
from espnet_tutornet.utils.reading import read_yaml

META = "meta.yaml"  # in a packed model: which file is what
CONFIG = "config.yaml"
PACKED = ("asr", "s2t")  # tasks as espnet2.bin.pack names them
PAIR = "--teacher_asr_train_config and --teacher_asr_model_file"


def find_files(directory: Path, checkpoint: str = "") -> Tuple[Path, Path]:
    """Find configuration and parameters in an unpacked model or a training.

    Args:
        directory: of either, or of directories of which one is a training's.
        checkpoint: name of the .pth to take; empty: see :func:`choose_checkpoint`.

    Raises:
        ValueError: it is not clear which they are, or they are not there.
    """
    meta = directory / META
    if meta.is_file():
        return _find_packed(meta)
    config = directory / CONFIG
    if not config.is_file():
        config = _find_training(directory)
    for other in sorted(config.parent.glob("*.yaml")):
        trained = re.search("^token_list:", other.read_text(errors="replace"), re.M)
        if trained and other.name != CONFIG:
            raise ValueError(
                f"{config.parent} holds the configurations of two trained models, "
                f"{CONFIG} and {other.name}, expected one. Give configuration and .pth "
                f"of the teacher by {PAIR}."
            )
    return config, choose_checkpoint(config, checkpoint)


def _find_packed(meta: Path) -> Tuple[Path, Path]:
    """Find what the table of a packed model names."""
    content, directory = read_yaml(meta), meta.parent
    for task in PACKED:
        try:
            config = content["yaml_files"][f"{task}_train_config"]
            model = content["files"][f"{task}_model_file"]
        except (KeyError, TypeError):
            continue
        for path in (directory / config, directory / model):
            if not is_inside(path, directory) or not path.is_file():
                raise ValueError(f"{meta} names {path}, which is not in {directory}.")
        return directory / config, directory / model
    named = ", ".join(map(str, content.get("yaml_files") or {})) or "nothing"
    raise ValueError(
        f"{meta} names no ASR model (asr_train_config, asr_model_file; s2t_... for "
        f"OWSM), but {named}. Is it a packed model of another task? Bring one of "
        "recognition."
    )


def _find_training(directory: Path) -> Path:
    """Find the only training below a directory."""
    found = [
        path
        for pattern in ("*/", "*/*/", "*/*/*/")
        for path in sorted(directory.glob(f"{pattern}{CONFIG}"))
        if any(path.parent.glob("*.pth"))
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(path.parent.relative_to(directory)) for path in found[:5])
    raise ValueError(
        f"{directory} is neither a packed model (no {META}) nor a training (no "
        f"{CONFIG}), and {len(found)} are below it"
        f"{f', {names}: give one of them' if found else ''}. Or give the two files by "
        f"{PAIR}."
    )


def choose_checkpoint(config: Path, name: str = "") -> Path:
    """Choose the parameters of a training as ESPnet does.

    ``valid.acc.ave.pth`` is what asr.sh decodes; then come averages by the training's
    own criteria, then the best epochs, and the last one.

    Args:
        config: config.yaml of the training.
        name: the one to take.

    Raises:
        ValueError: it is not there, or none of those that are is such a one.
    """
    found = sorted(path.name for path in config.parent.glob("*.pth"))
    models = [each for each in found if each != "checkpoint.pth"]
    if name or len(models) == 1:
        chosen = name or models[0]
        if chosen in models:
            return config.parent / chosen
    else:
        criteria = read_yaml(config).get("best_model_criterion") or []
        measures = ["acc", *(each[1] for each in criteria), "*"]
        patterns = [f"valid.{m}.ave{end}.pth" for m in measures for end in ("", "_*")]
        patterns += [f"valid.{measure}.best.pth" for measure in measures]
        for pattern in [*patterns, "latest.pth"]:
            # the average of the most epochs
            matches = sorted(config.parent.glob(pattern), key=_numbers_in)
            if matches:
                return matches[-1]
    raise ValueError(
        f"{config.parent} has {', '.join(models[:8]) or 'no .pth'}"
        f"{' ...' if len(models) > 8 else ''}, expected "
        f"{name or 'one .pth, or valid.acc.ave.pth and the like'}. Choose one by "
        f"--teacher_model, or give the two files by {PAIR}."
    )


def _numbers_in(path: Path) -> Tuple[List[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)], path.name


def resolve_paths(conf: Dict[str, Any], roots: List[Path]) -> Dict[str, Any]:
    """Make the paths of a configuration absolute.

    A packed model names its files by their place in the archive, a training by their
    place in its recipe. Every text in the configuration, the token list aside, that
    names a file in one of ``roots`` becomes its path.

    Args:
        conf: content of config.yaml.
        roots: directories, in the order in which files are looked for.
    """

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if isinstance(value, str) and re.search("[./]", value) and len(value) < 1000:
            for root in roots:
                path = root / value
                # or a directory of Hugging Face's
                found = path.is_file() or (path / "config.json").is_file()
                if is_inside(path, root) and found:
                    return str(path)
        return value

    return {
        key: value if key == "token_list" else resolve(value)
        for key, value in conf.items()
    }
