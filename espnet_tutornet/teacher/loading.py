"""Load a trained ESPnet model as a teacher: safely, completely, or not at all."""

import argparse
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, Tuple, Union

import torch
from espnet2.tasks.asr import ASRTask
from espnet2.tasks.asr_transducer import ASRTransducerTask
from espnet2.train.abs_espnet_model import AbsESPnetModel

from espnet_tutornet.teacher.huggingface import HuggingFaceTeacher
from espnet_tutornet.teacher.kinds import adapt
from espnet_tutornet.teacher.names import ParametersMismatch, fill
from espnet_tutornet.teacher.safe_load import load_parameters
from espnet_tutornet.teacher.tasks import build_model
from espnet_tutornet.utils.reading import read_yaml
from espnet_tutornet.utils.snapshot import is_huggingface


def load_config(config_file: Union[str, Path]) -> argparse.Namespace:
    """Read an ESPnet ``config.yaml``.

    Args:
        config_file: that of a trained model.

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


def load_model(
    config_file: Union[str, Path], model_file: Union[str, Path]
) -> Tuple[AbsESPnetModel, argparse.Namespace]:
    """Build the model of ``config_file`` and fill it from ``model_file``, strictly.

    ESPnet itself loads with ``strict=False``, so that a wrong file goes unnoticed;
    a teacher that is half random must not.

    Args:
        config_file: ESPnet's config.yaml.
        model_file: the .pth that belongs to it.

    Returns:
        The model in eval mode on the CPU, all its parameters frozen, and its arguments.
        It is asked as one of the ASR task is, whatever its task.

    Raises:
        FileNotFoundError: a file is missing, or one that the configuration names.
        RuntimeError: its network needs a package; the message says which.
        ValueError: the parameters are not for this configuration, or it is of a task
            whose models cannot teach.
    """
    args = load_config(config_file)
    state_dict = load_parameters(model_file)
    try:
        model = build_filled(args, state_dict)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{config_file} names a file that is not there: {error.filename or error}. "
            "Run where the path holds, or mend it in the configuration."
        ) from None
    except ParametersMismatch as error:
        raise ValueError(
            f"{model_file} is not for {config_file}: {error} {_advise(args)}"
        ) from None
    except RuntimeError as error:
        raise RuntimeError(f"{config_file}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{config_file}: {error}") from error
    if not is_huggingface(vars(args)):  # that has the face of an ASR model already
        adapt(model, args)
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


def build_filled(
    args: argparse.Namespace, state_dict: Dict[str, torch.Tensor]
) -> AbsESPnetModel:
    """Build the stock model of ``args`` and fill it, every parameter.

    The configuration may be of another ESPnet release: what it does not say is as this
    release has it.

    Args:
        args: content of a config.yaml.
        state_dict: parameters by name.

    Raises:
        ParametersMismatch: a key is missing, unexpected or of another shape.
        ValueError: the configuration asks for what this release does not have.
    """
    conf = vars(args)
    if is_huggingface(conf):
        model = HuggingFaceTeacher(conf)
    else:
        model = build_model(conf, state_dict)
    fill(model, state_dict)
    return model


@contextmanager
def espnet_loads_so() -> Iterator[None]:
    """Let ESPnet's inference load models as :func:`load_model` does.

    So it knows the names of either release, wants no file that the .pth makes needless,
    and unpickles nothing.
    """

    def build(config_file, model_file, device="cpu"):
        model, args = load_model(config_file, model_file)
        return model.to(device), args

    tasks = (ASRTask, ASRTransducerTask)  # they inherit it
    for task in tasks:
        task.build_model_from_file = staticmethod(build)
    try:
        yield
    finally:
        for task in tasks:
            del task.build_model_from_file


def _advise(args: argparse.Namespace) -> str:
    if getattr(args, "use_adapter", False):
        return (
            "The model was trained with adapters: a .pth that was saved with "
            "save_strategy adapter_only or required_grad_only holds these alone. Give "
            "one with all parameters."
        )
    return "Give the .pth that was trained with this configuration."
