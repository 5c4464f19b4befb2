"""What the json files of a Hugging Face snapshot say of its model, in ESPnet's words.

A snapshot is a directory that ``save_pretrained`` wrote, or one of the hub. Nothing but
json is read here, and code that it names (``auto_map``) is never run. The standard
library is enough.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from espnet_tutornet.utils.reading import need_file

TOOLKIT = "huggingface"  # what the key toolkit of a brought config.yaml says
BLANK, UNK, SPACE, SOS_EOS = "<blank>", "<unk>", "<space>", "<sos/eos>"  # ESPnet's
WHISPER = "whisper"
KINDS = ("wav2vec2", "hubert", "wavlm", WHISPER)  # model_type of config.json
LOG_MEL = {"n_fft": 400, "hop_length": 160}  # Whisper's
# keys of config.json that do not change what is said, or that name code
LEFT_OUT = ("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype")
LEFT_OUT += ("transformers_version", "quantization_config")
HINT = "Give a directory that save_pretrained wrote, or a snapshot of the hub."


def is_huggingface(conf: Any) -> bool:
    """Tell whether a configuration is of a model that a snapshot holds.

    Args:
        conf: content of a config.yaml.

    Example:
        >>> is_huggingface({"toolkit": "huggingface"}), is_huggingface({})
        (True, False)
    """
    return conf.get("toolkit") == TOOLKIT


def network_of(config: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what of a config.json decides what its network says, and no code's name.

    An ``attn_implementation`` can be a kernel of the hub, which transformers would run.

    Args:
        config: content of config.json, or of ``encoder_conf``.

    Example:
        >>> network_of({"hidden_size": 16, "attn_implementation": "someone/kernel"})
        {'hidden_size': 16}
    """
    return {
        key: value
        for key, value in config.items()
        if key not in LEFT_OUT and "implementation" not in key
    }


def describe_snapshot(directory: Path, fs: Optional[int] = None) -> Dict[str, Any]:
    """Return a config.yaml with ESPnet's keys, as of a model without a CTC head.

    Args:
        directory: of the snapshot.
        fs: sampling rate in Hz; None: what the snapshot says.

    Raises:
        FileNotFoundError: config.json or preprocessor_config.json is missing.
        ValueError: they are damaged, or of a network of another kind.
    """
    found = read_json(directory / "config.json")
    kind = found.get("model_type")
    if kind not in KINDS:
        raise ValueError(
            f"{directory}/config.json: model_type must be one of {', '.join(KINDS)}, "
            f"got {kind}. Bring such a teacher."
        )
    if found.get("add_adapter"):
        raise ValueError(
            f"{directory}/config.json: add_adapter is true, expected an encoder whose "
            "frames all have one rate. Bring a teacher without an adapter."
        )
    whole = directory / "processor_config.json"  # where newer releases write it
    heard = read_json(whole).get("feature_extractor") if whole.is_file() else None
    heard = heard or read_json(directory / "preprocessor_config.json")
    front = {"fs": int(fs or heard.get("sampling_rate", 16000))}
    if kind == WHISPER:
        front["n_mels"] = found.get("num_mel_bins", 80)
        front.update({key: heard.get(key, usual) for key, usual in LOG_MEL.items()})
    else:
        front["do_normalize"] = bool(heard.get("do_normalize", True))
    return {
        "toolkit": TOOLKIT,
        "snapshot": str(directory.resolve()),
        "frontend": "log_mel" if kind == WHISPER else "waveform",
        "frontend_conf": front,
        "encoder": kind,
        "encoder_conf": network_of(found),
        "model_conf": {"ctc_weight": 0.0},
        "token_list": [],
        "token_type": "none",
    }


def read_token_list(
    directory: Path, blank_id: int, size: int
) -> Tuple[List[str], List[int]]:
    """Return the tokens of a CTC head as ESPnet calls and orders them, blank first.

    Args:
        directory: of the snapshot, with vocab.json.
        blank_id: the head's row of the blank, ``pad_token_id``.
        size: rows of the head.

    Returns:
        The tokens, and the head's row of each.

    Raises:
        FileNotFoundError: there is no vocab.json.
        ValueError: it is of several languages, or has no ``<unk>``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "vocab.json")
        ...     _ = path.write_text('{"A": 0, "|": 1, "<unk>": 2, "<pad>": 3}')
        ...     read_token_list(path.parent, 3, 4)
        (['<blank>', 'A', '<space>', '<unk>'], [3, 0, 1, 2])
    """
    path = directory / "vocab.json"
    rows = read_json(path)
    added = directory / "added_tokens.json"
    rows.update(read_json(added) if added.is_file() else {})
    if not all(isinstance(row, int) for row in rows.values()):
        raise ValueError(
            f"{path}: expected a row for each token, got vocabularies of several "
            "languages. Bring a model of one language."
        )
    file = directory / "tokenizer_config.json"
    told = read_json(file) if file.is_file() else {}
    names = {row: token for token, row in rows.items()}
    for row, token in (told.get("added_tokens_decoder") or {}).items():
        names.setdefault(int(row), _text(token))
    meaning = {
        _text(told.get("word_delimiter_token") or "|"): SPACE,
        _text(told.get("unk_token") or "<unk>"): UNK,
        _text(told.get("eos_token") or "</s>"): SOS_EOS,
        " ": SPACE,
    }
    order = [blank_id, *(row for row in range(size) if row != blank_id)]
    tokens = [names.get(row, f"<unused{row}>") for row in order]
    tokens = [BLANK, *(meaning.get(token, token) for token in tokens[1:])]
    if UNK not in tokens:
        unknown = _text(told.get("unk_token") or UNK)
        raise ValueError(
            f"{path}: expected {unknown}, which students write for what they do not "
            f"know, got {' '.join(tokens[:9])} ... Add it to the "
            "model, or bring another teacher."
        )
    return tokens, order


def read_json(path: Path) -> Dict[str, Any]:
    """Read a mapping.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is none.
    """
    path = need_file(path, "a file of the snapshot", HINT)
    text = path.read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        content = str(error)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a json mapping, got {content}. {HINT}")
    return content


def _text(token: Any) -> str:
    """Return a token that may be written with its properties."""
    return token["content"] if isinstance(token, dict) else token
