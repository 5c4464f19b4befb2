"""Load a trained ESPnet ASR model as a teacher: safely, completely, or not at all."""

import argparse
import pickle
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Union

import torch
from espnet2 import __version__ as espnet_version
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.asr import ASRTask
from humanfriendly import parse_size

import espnet_tutornet.encoder.register  # noqa: F401, a teacher may have them
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.utils.reading import need_file, read_yaml


def load_config(config_file: Union[str, Path]) -> argparse.Namespace:
    """Read an ESPnet ``config.yaml``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not the dumped configuration of an ASR model.
    """
    hint = "Give the config.yaml that ESPnet wrote beside the trained model."
    try:
        conf = read_yaml(config_file, "the teacher's configuration", hint)
    except ValueError:
        conf = {}  # not even a mapping
    if "token_list" not in conf:
        raise ValueError(
            f"{config_file} is not the config.yaml of a trained ESPnet ASR model: "
            "expected a mapping with token_list."
        )
    return argparse.Namespace(**conf)


def load_parameters(model_file: Union[str, Path]) -> Dict[str, torch.Tensor]:
    """Read a ``.pth`` of parameters without executing anything in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds more than tensors, or is damaged.
    """
    hint = "Give the .pth that belongs to the teacher's config.yaml."
    model_file = need_file(model_file, "the teacher's parameters", hint)
    try:
        parameters = torch.load(model_file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _not_parameters(model_file, reason) from None
    if not isinstance(parameters, dict):
        raise _not_parameters(model_file, type(parameters).__name__)
    return parameters


def load_model(
    config_file: Union[str, Path], model_file: Union[str, Path]
) -> Tuple[ESPnetASRModel, argparse.Namespace]:
    """Build the model of ``config_file`` and fill it from ``model_file``, strictly.

    ESPnet itself loads with ``strict=False``, so that a wrong file goes unnoticed;
    a teacher that is half random must not.

    Args:
        config_file: ESPnet's config.yaml.
        model_file: the .pth that belongs to it.

    Returns:
        The model in eval mode on the CPU, all its parameters frozen, and its arguments.

    Raises:
        FileNotFoundError: a file is missing, or one that the configuration names.
        ValueError: the parameters are not for this configuration.
    """
    args = load_config(config_file)
    state_dict = load_parameters(model_file)
    try:
        model = build_filled(args, state_dict)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{config_file} names a file that is not there: {error.filename}. Run "
            "where the path holds, or mend it in the configuration."
        ) from None
    except ParametersMismatch as error:
        raise ValueError(
            f"{model_file} is not for {config_file}: {error} "
            "Give the .pth that was trained with this configuration."
        ) from None
    model.requires_grad_(False)
    stop_dropout(model)
    return model.eval(), args


def stop_dropout(model: torch.nn.Module) -> None:
    """Stop the dropout that evaluation does not: that of ESPnet's projected RNNs.

    ``RNNP`` of both releases drops with ``F.dropout(x, p)``, whose default is training:
    a recurrent encoder with ``dropout`` above 0 says something else at every call.
    """
    for module in model.modules():
        if type(module).__name__ == "RNNP":
            module.dropout = 0.0


class ParametersMismatch(ValueError):
    """Parameters have other names or shapes than the model they are for."""


def complete_arguments(conf: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a configuration of ESPnet's with all arguments that it does not give.

    They are as this release has them.
    """
    # not get_default_config(): that reads the command line of this process
    defaults = ASRTask.get_parser().parse_args(["--output_dir", "nowhere"])
    return {**vars(defaults), **conf}


def build_filled(
    args: argparse.Namespace, state_dict: Dict[str, torch.Tensor]
) -> ESPnetASRModel:
    """Build the stock model of ``args`` and fill it, every key and no other.

    The configuration may be of another ESPnet release: what it does not say is as this
    release has it.

    Raises:
        ParametersMismatch: a key is missing, unexpected or of another shape.
        ValueError: the configuration asks for what this release does not have.
    """
    known = complete_arguments(vars(args))
    known["init"] = None  # all parameters come from the file
    provide_rnnt_loss(known.get("decoder"))
    try:
        model = ASRTask.build_model(argparse.Namespace(**known))
    except (TypeError, KeyError) as error:
        release = known.get("version") or "unknown"
        raise ValueError(
            f"this ESPnet, {espnet_version}, cannot build a model that release "
            f"{release} configured: {type(error).__name__}: {error}. Install that "
            "release, or bring another teacher."
        ) from None
    problem = _load(model, state_dict)
    if problem is not None and _load(model, names_of_202511(state_dict)) is not None:
        raise ParametersMismatch(problem)
    return model


def translate_names(
    config_file: Union[str, Path], model_file: Union[str, Path]
) -> Optional[Dict[str, torch.Tensor]]:
    """Name parameters of ESPnet 202611 so that this release loads them all.

    Args:
        config_file: ESPnet's config.yaml.
        model_file: the .pth that belongs to it.

    Returns:
        The renamed parameters; None where they load as they are, or never.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file does not hold what it should.
    """
    state_dict = load_parameters(model_file)
    renamed = names_of_202511(state_dict)
    if list(renamed) == list(state_dict):
        return None
    model = build_filled(load_config(config_file), state_dict)
    return renamed if _load(model, state_dict) is not None else None


def names_of_202511(state_dict: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """Name parameters as ESPnet 202511 does, which both releases load.

    ESPnet 202611 calls the linear layer after most convolutional input layers
    ``embed.out`` and reads the older ``embed.out.0`` too; not the other way round. The
    input layers of contextual-block encoders have ``embed.out`` in both releases.

    Example:
        >>> list(names_of_202511({"encoder.embed.out.weight": 1, "ctc.out.bias": 2}))
        ['encoder.embed.out.0.weight', 'ctc.out.bias']
    """
    return {
        re.sub(r"(^|\.)embed\.out\.(weight|bias)$", r"\1embed.out.0.\2", name): value
        for name, value in state_dict.items()
    }


def portable_names(
    model: ESPnetASRModel, state_dict: Dict[str, torch.Tensor]
) -> Dict[str, torch.Tensor]:
    """Name the parameters of ``model`` so that either release loads them."""
    renamed = names_of_202511(state_dict)
    return renamed if _load(model, renamed) is None else state_dict


def _load(model: ESPnetASRModel, state_dict: Dict[str, torch.Tensor]) -> Optional[str]:
    """Fill ``model`` strictly; return what is wrong, or None."""
    try:
        # a copy: ESPnet 202611 renames keys in the dict it is given
        model.load_state_dict(dict(state_dict), strict=True)
    except RuntimeError as error:
        return _brief(str(error))
    return None


def _not_parameters(model_file: Path, got: str) -> ValueError:
    return ValueError(
        f"{model_file} cannot be read as parameters: expected a dict of tensors as "
        f"ESPnet saves it, got: {got}"
    )


def sampling_rate(args: argparse.Namespace) -> Optional[int]:
    """Return the sampling rate in Hz that a model's frontend was made for.

    Returns:
        The rate, or None where the frontend does not name one.

    Example:
        >>> sampling_rate(argparse.Namespace(frontend_conf={"fs": "16k"}))
        16000
    """
    conf = getattr(args, "frontend_conf", None) or {}
    default = 16000 if getattr(args, "frontend", None) == "default" else None
    fs = conf.get("fs", default)
    return parse_size(fs) if isinstance(fs, str) else fs


def check_sampling_rates(whose: str, fs: Optional[int], teacher: Optional[int]) -> None:
    """Refuse a teacher that was trained on audio of another rate.

    Args:
        whose: what has the rate ``fs``, in words that the number follows.
        fs: rate of the student or of the corpus in Hz, None where it is not known.
        teacher: rate of the teacher in Hz, None where it is not known.

    Raises:
        ValueError: both rates are known and differ.
    """
    if None not in (fs, teacher) and fs != teacher:
        raise ValueError(
            "teacher and student hear the same audio, but the teacher was trained at "
            f"{teacher} Hz and {whose} {fs}. Resample the corpus to the teacher's "
            "rate, or bring another teacher."
        )


def _brief(message: str, limit: int = 400) -> str:
    text = " ".join(message.split())
    return text if len(text) <= limit else text[:limit] + " ..."
