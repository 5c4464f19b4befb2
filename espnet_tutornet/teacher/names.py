"""Fill a model with parameters that another release of ESPnet may have named."""

import logging
import re
from typing import Dict, Iterator, List, Mapping, Optional

import torch
from torch import nn

UPSTREAM = "frontend.upstream."  # of s3prl: its models were one level higher


class ParametersMismatch(ValueError):
    """Parameters have other names or shapes than the model they are for."""


def fill(model: nn.Module, state_dict: Mapping[str, torch.Tensor]) -> None:
    """Fill every parameter of ``model``, whatever release named them.

    Parameters of parts that the model does not have are left over, as ESPnet leaves
    them: a decoder, where CTC alone was trained on. The log names the parts.

    Args:
        model: to be filled.
        state_dict: parameters by name.

    Raises:
        ParametersMismatch: a parameter is missing, of another shape, or belongs to a
            part that the model has and is unknown there.
    """
    problem = None
    for renamed in _spellings(model, state_dict):
        own, left = _split_parts(model, renamed)
        found = load_strictly(model, own)
        if found is None:
            if left:
                logging.warning(
                    "parameters that the model has no part for are left out: %s",
                    ", ".join(left),
                )
            return
        problem = problem or found
    raise ParametersMismatch(problem)


def load_strictly(
    model: nn.Module, state_dict: Mapping[str, torch.Tensor]
) -> Optional[str]:
    """Fill ``model`` with these parameters and no other; return what is wrong."""
    try:
        # a copy: ESPnet 202611 renames keys in the dict it is given
        model.load_state_dict(dict(state_dict), strict=True)
    except RuntimeError as error:
        return _brief(str(error))
    return None


def names_of_202511(state_dict: Mapping[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
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
    model: nn.Module, state_dict: Dict[str, torch.Tensor]
) -> Dict[str, torch.Tensor]:
    """Name the parameters of ``model`` so that either release loads them."""
    renamed = names_of_202511(state_dict)
    return renamed if load_strictly(model, renamed) is None else state_dict


def _spellings(
    model: nn.Module, state_dict: Mapping[str, torch.Tensor]
) -> Iterator[Mapping[str, torch.Tensor]]:
    """Yield the parameters under the names that they may have here."""
    yield state_dict
    yield names_of_202511(state_dict)
    deeper = f"{UPSTREAM}upstream.model."
    if any(name.startswith(deeper) for name in model.state_dict()):
        # s3prl of before September 2022
        yield {
            re.sub(rf"^{re.escape(UPSTREAM)}model\.", deeper, name): value
            for name, value in state_dict.items()
        }


def _split_parts(model: nn.Module, state_dict: Mapping[str, torch.Tensor]) -> tuple:
    """Part parameters into those of parts that the model has, and names of others."""
    own: Dict[str, torch.Tensor] = {}
    left: List[str] = []
    for name, value in state_dict.items():
        part = name.split(".")[0]
        if "." not in name or getattr(model, part, None) is not None:
            own[name] = value
        elif f"{part}.*" not in left:
            left.append(f"{part}.*")
    return own, left


def _brief(message: str, limit: int = 400) -> str:
    text = " ".join(message.split())
    return text if len(text) <= limit else text[:limit] + " ..."
