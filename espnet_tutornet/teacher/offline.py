"""Build networks whose parameters a ``.pth`` holds without fetching them again.

ESPnet builds some networks from files that only the training had: the statistics of
the features, the published weights of Whisper, those of a Hugging Face model. All of
them are among the parameters of a trained model, so that their shapes are enough.
"""

import importlib
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

import numpy as np
from torch import Tensor

WHISPER_HEAD = 64  # width of an attention head in every Whisper
# where ESPnet keeps a Whisper's halves, and how the blocks of each are called
ENCODERS = ("encoder.encoders.", "frontend.whisper.encoder.")
DECODERS = ("decoder.decoders.", "frontend.whisper.decoder.")


@contextmanager
def parameters_at_hand(
    conf: Mapping[str, Any], state_dict: Mapping[str, Tensor]
) -> Iterator[Dict[str, Any]]:
    """Let ESPnet build a model whose parameters are known.

    Args:
        conf: complete arguments of the model.
        state_dict: its parameters.

    Yields:
        The arguments to build it with, inside the block.
    """
    conf = dict(conf)
    with ExitStack() as stack:
        if conf.get("normalize") == "global_mvn" and "normalize.mean" in state_dict:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            stats = _write_statistics(Path(directory), state_dict)
            given = conf.get("normalize_conf") or {}
            conf["normalize_conf"] = {**given, "stats_file": stats}
        if _shapes(state_dict, ENCODERS, "conv1.weight") and "whisper" in {
            conf.get("encoder"),
            conf.get("frontend"),
        }:
            _replace_whisper(stack, state_dict)
        if "transformers" in str(conf.get("postencoder")) or (
            conf.get("frontend") == "huggingface"
        ):
            _replace_transformers(stack)
        ctc_conf = conf.get("ctc_conf") or {}
        if ctc_conf.get("ctc_type") in ("brctc", "gtnctc"):
            # losses of packages of their own, over the same parameters
            conf["ctc_conf"] = {**ctc_conf, "ctc_type": "builtin"}
        yield conf


def _write_statistics(directory: Path, state_dict: Mapping[str, Tensor]) -> str:
    """Write what ESPnet computes mean and deviation from."""
    mean = state_dict["normalize.mean"].double().numpy()
    std = state_dict["normalize.std"].double().numpy()
    path = directory / "feats_stats.npz"
    np.savez(path, count=1.0, sum=mean, sum_square=std**2 + mean**2)
    return str(path)


def _shapes(
    state_dict: Mapping[str, Tensor], places: tuple, name: str
) -> Optional[tuple]:
    for place in places:
        if f"{place}{name}" in state_dict:
            return tuple(state_dict[f"{place}{name}"].shape)
    return None


def _count_blocks(state_dict: Mapping[str, Tensor], places: tuple) -> int:
    names = [
        name.removeprefix(f"{place}blocks.").split(".")[0]
        for name in state_dict
        for place in places
        if name.startswith(f"{place}blocks.")
    ]
    return len(set(names))


def _replace_whisper(stack: ExitStack, state_dict: Mapping[str, Tensor]) -> None:
    """Let ``whisper.load_model`` return a Whisper of the right shapes."""
    whisper = importlib.import_module("whisper")
    state, mels = _shapes(state_dict, ENCODERS, "conv1.weight")[:2]
    frames = _shapes(state_dict, ENCODERS, "positional_embedding")[0]
    tokens = _shapes(state_dict, DECODERS, "token_embedding.weight")
    tokens = tokens or _shapes(state_dict, DECODERS, "token_embedding.ori_emb.weight")
    text = _shapes(state_dict, DECODERS, "positional_embedding")
    shapes = whisper.model.ModelDimensions(
        n_mels=mels,
        n_audio_ctx=frames,
        n_audio_state=state,
        n_audio_head=state // WHISPER_HEAD or 1,
        n_audio_layer=_count_blocks(state_dict, ENCODERS),
        n_vocab=tokens[0] if tokens else 1,
        n_text_ctx=text[0] if text else 1,
        n_text_state=state,
        n_text_head=state // WHISPER_HEAD or 1,
        n_text_layer=_count_blocks(state_dict, DECODERS),
    )

    def build(*_, **__):
        return whisper.model.Whisper(shapes)

    stack.enter_context(_replaced(whisper, "load_model", build))


def _replace_transformers(stack: ExitStack) -> None:
    """Let Hugging Face's models be built from their configuration alone."""
    try:
        transformers = importlib.import_module("transformers")
    except ImportError:
        return  # ESPnet says so when it needs it
    auto = transformers.AutoModel

    def build(name: str, **given: Any):
        return auto.from_config(transformers.AutoConfig.from_pretrained(name, **given))

    stack.enter_context(_replaced(auto, "from_pretrained", build))


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner).get(name)  # None: inherited
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
        if before is not None:
            setattr(owner, name, before)
