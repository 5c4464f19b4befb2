"""Read parameters as tensors alone, whoever reads them.

A pickle can run any code. What was brought from elsewhere may name checkpoints that
other libraries load, each in its own way; :func:`weights_only` holds them all to it.
"""

import argparse
import os
import pickle
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Union

import torch

from espnet_tutornet.utils.reading import need_file

FORCED, FORBIDDEN = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@contextmanager
def weights_only() -> Iterator[None]:
    """Hold every ``torch.load`` inside to tensors and plain values.

    What the caller of ``torch.load`` says, the release of torch and its environment
    variables play no part. Namespaces of options are let through: they hold values.

    Example:
        >>> with weights_only():
        ...     os.environ[FORCED]
        '1'
    """
    load = torch.load

    def load_weights(f: Any, map_location: Any = None, *_, **given: Any) -> Any:
        mmap = given.get("mmap")
        return load(f, map_location=map_location, mmap=mmap, weights_only=True)

    # The variable reaches those who took torch.load before it was replaced.
    before = {name: os.environ.pop(name, None) for name in (FORCED, FORBIDDEN)}
    os.environ[FORCED] = "1"
    torch.load = torch.serialization.load = load_weights
    try:
        with ExitStack() as stack:
            allow = getattr(torch.serialization, "safe_globals", None)
            if allow is not None:  # torch 2.5 and later
                stack.enter_context(allow([argparse.Namespace]))
            yield
    finally:
        torch.load = torch.serialization.load = load
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def load_parameters(model_file: Union[str, Path]) -> Dict[str, torch.Tensor]:
    """Read a ``.pth`` of parameters without executing anything in it.

    DeepSpeed keeps them under the key ``module``, Lightning under ``state_dict``.

    Args:
        model_file: as ESPnet saved it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds more than tensors, or is damaged.
    """
    hint = "Give the .pth that belongs to the teacher's config.yaml."
    model_file = need_file(model_file, "the teacher's parameters", hint)
    try:
        with weights_only():
            parameters = torch.load(model_file, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _not_parameters(model_file, reason) from None
    for wrapper in ("module", "state_dict"):
        if isinstance(parameters, dict) and isinstance(parameters.get(wrapper), dict):
            parameters = parameters[wrapper]
    if not isinstance(parameters, dict):
        raise _not_parameters(model_file, type(parameters).__name__)
    other = [k for k, v in parameters.items() if not isinstance(v, torch.Tensor)]
    if other:
        kind = type(parameters[other[0]]).__name__
        raise _not_parameters(model_file, f"{kind} under {other[0]!r}")
    return parameters


def _not_parameters(model_file: Path, got: str) -> ValueError:
    return ValueError(
        f"{model_file} cannot be read as parameters: expected a dict of tensors as "
        f"ESPnet saves it, got: {got}"
    )
