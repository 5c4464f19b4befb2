"""Build networks whose parameters a ``.pth`` holds without fetching them again.

ESPnet builds some networks from files that only the training had: the statistics of
the features, the published weights of Whisper, those of a Hugging Face model. All of
them are among the parameters of a trained model, so that their shapes are enough.
"""

import importlib
import re
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

import numpy as np
import torch
from torch import Tensor

HEAD = 64  # width of an attention head in every Whisper and HuBERT
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
        if conf.get("frontend") == "s3prl":
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            given = conf.get("frontend_conf") or {}
            conf["frontend_conf"] = _restate_s3prl(Path(directory), given, state_dict)
        if conf.get("frontend") == "fused":
            for part in (conf.get("frontend_conf") or {}).get("frontends") or ():
                _refuse_checkpoint(part.get("frontend_conf") or {})
        if "transformers" in str(conf.get("postencoder")) or (
            conf.get("frontend") == "huggingface"
        ):
            _replace_transformers(stack)
        ctc_conf = conf.get("ctc_conf") or {}
        if ctc_conf.get("ctc_type") in ("brctc", "gtnctc"):
            # losses of packages of their own, over the same parameters
            conf["ctc_conf"] = {**ctc_conf, "ctc_type": "builtin"}
        yield conf


def _restate_s3prl(
    directory: Path, given: Mapping[str, Any], state_dict: Mapping[str, Tensor]
) -> Dict[str, Any]:
    """Let s3prl read a base network out of the parameters, and no other file.

    Its checkpoints hold text that it evaluates: one that a configuration names is not
    read. WavLM and HuBERT are told apart from their published sizes by their shapes.
    """
    base = dict(given.get("frontend_conf") or {})
    name, kind = str(base.get("upstream")), None
    prefix = "frontend.upstream.upstream.model."
    if not any(key.startswith(prefix) for key in state_dict):
        prefix = "frontend.upstream.model."  # before September 2022
    own = {
        key.removeprefix(prefix): value
        for key, value in state_dict.items()
        if key.startswith(prefix)
    }
    if "encoder.layer_norm.weight" in own:
        kind = next((k for k in ("wavlm", "hubert") if name.startswith(k)), None)
    if kind:
        path = directory / "base.pt"
        torch.save(_describe_s3prl(kind, own), path)
        base.update(upstream=f"{kind}_local", path_or_url=str(path))
    else:
        _refuse_checkpoint(base)
    return {**given, "frontend_conf": base, "download_dir": None}


def _refuse_checkpoint(base: Mapping[str, Any]) -> None:
    if base.get("path_or_url"):
        raise ValueError(
            f"s3prl's upstream {base.get('upstream')} has path_or_url, a checkpoint "
            "with text that s3prl evaluates; expected the frontend s3prl with wavlm or "
            "hubert, whose parameters are in the .pth, or an upstream that s3prl "
            "fetches by its name. Bring another teacher."
        )


def _describe_s3prl(kind: str, own: Mapping[str, Tensor]) -> Dict[str, Any]:
    """Return the content of a checkpoint of s3prl: sizes, and parameters."""
    layers = [
        key for key in own if re.fullmatch(r"encoder\.layers\.\d+\.fc1\.bias", key)
    ]
    kernels = [
        tuple(own[key].shape)
        for key in own
        if re.fullmatch(r"feature_extractor\.conv_layers\.\d+\.0\.weight", key)
    ]
    strides = [(out, size, 5 if size == 10 else 2) for out, _, size in kernels]
    large = any(key.startswith("feature_extractor.conv_layers.1.2.") for key in own)
    width = len(own["encoder.layer_norm.weight"])
    position = next(
        v for k, v in own.items() if re.search(r"pos_conv\..*(weight_v|original1)$", k)
    )
    sizes = dict(
        extractor_mode="layer_norm" if large else "default",
        layer_norm_first=large,
        encoder_layers=len(layers),
        encoder_embed_dim=width,
        encoder_ffn_embed_dim=len(own["encoder.layers.0.fc1.bias"]),
        encoder_attention_heads=width // HEAD or 1,
        conv_feature_layers=repr(strides),
        conv_bias="feature_extractor.conv_layers.0.0.bias" in own,
        conv_pos=position.size(-1),
        conv_pos_groups=width // position.size(1),
    )
    if kind == "hubert":
        classes, final = own["label_embs_concat"].shape
        sizes.update(label_rate=50.0, final_dim=final, untie_final_proj=True)
        return dict(
            task_cfg=dict(normalize=large),
            model_cfg=sizes,
            model_weight=dict(own),
            dictionaries_symbols=[["x"] * classes],
        )
    bias = own.get("encoder.layers.0.self_attn.relative_attention_bias.weight")
    if bias is not None:
        sizes.update(relative_position_embedding=True, num_buckets=bias.size(0))
        sizes.update(encoder_attention_heads=bias.size(1), max_distance=800)
    gated = any(".grep_linear." in key for key in own)
    sizes.update(normalize=large, gru_rel_pos=gated)
    return dict(cfg=sizes, model=dict(own))


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
        n_audio_head=state // HEAD or 1,
        n_audio_layer=_count_blocks(state_dict, ENCODERS),
        n_vocab=tokens[0] if tokens else 1,
        n_text_ctx=text[0] if text else 1,
        n_text_state=state,
        n_text_head=state // HEAD or 1,
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
