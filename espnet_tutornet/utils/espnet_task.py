"""Which task of ESPnet a configuration is of, and what that says of its model.

A ``config.yaml`` does not name its task. Each task writes keys that no other has. The
standard library is enough.
"""

import re
from typing import Any, List, Mapping, Tuple

# keys that one task alone writes; what has none of them is of the ASR task
SIGNS = {
    "enh_s2t": ("subtask_series",),
    "st": ("src_token_list",),
    "slu": ("deliberationencoder", "postdecoder"),
    "asr_transducer": ("joint_network_conf",),
    "s2t_ctc": ("promptencoder",),
}
TITLES = {  # of all tasks whose models hear speech and say text
    "asr": "speech recognition",
    "asr_transducer": "stand-alone transducers",
    "s2t": "OWSM",
    "s2t_ctc": "OWSM-CTC",
    "slu": "spoken language understanding",
    "st": "speech translation",
    "enh_s2t": "enhancement and recognition",
}
ADDED = "tutornet_teacher"  # our block in a brought config.yaml: fs, lang, task
TEACH = ("asr", "asr_transducer", "s2t", "s2t_ctc", "slu")


def find_task(conf: Mapping[str, Any]) -> str:
    """Return the name of the task that wrote a configuration.

    Args:
        conf: content of a config.yaml.

    Example:
        >>> find_task({"encoder": "conformer"}), find_task({"promptencoder": "rnn"})
        ('asr', 's2t_ctc')
        >>> find_task({"preprocessor": "s2t", "encoder": "e_branchformer"})
        's2t'
    """
    for task, keys in SIGNS.items():
        if any(key in conf for key in keys):
            return task
    return "s2t" if conf.get("preprocessor") == "s2t" else "asr"


def check_teaches(conf: Mapping[str, Any]) -> str:
    """Return the task of a configuration whose models can teach.

    Args:
        conf: content of a config.yaml.

    Raises:
        ValueError: models of its task cannot.

    Example:
        >>> check_teaches({"encoder": "conformer"})
        'asr'
    """
    task = find_task(conf)
    if task not in TEACH:
        raise ValueError(
            f"it is a model of ESPnet's task {task} ({TITLES[task]}), expected one of "
            f"{', '.join(TEACH)}. Bring a model that writes down what is said."
        )
    if conf.get("deliberationencoder"):
        raise ValueError(
            "it is a model of ESPnet's task slu whose deliberation encoder reads a "
            "transcript beside the audio, expected one that hears audio alone. Bring "
            "another teacher."
        )
    return task


def has_ctc_branch(conf: Mapping[str, Any]) -> bool:
    """Tell whether the model of a configuration has a CTC branch.

    Args:
        conf: content of a config.yaml.

    Example:
        >>> has_ctc_branch({"model_conf": {"ctc_weight": 0.0}}), has_ctc_branch({})
        (False, True)
        >>> has_ctc_branch({"joint_network_conf": {}, "model_conf": {}})
        False
    """
    model_conf = conf.get("model_conf") or {}
    if find_task(conf) == "asr_transducer":
        return model_conf.get("auxiliary_ctc_weight", 0.0) > 0
    return model_conf.get("ctc_weight") != 0


def find_languages(token_list: List[str]) -> List[str]:
    """Return the languages that the tokens of an OWSM name.

    Example:
        >>> find_languages(["<blank>", "<eng>", "<nolang>", "<asr>", "<unk>", "a"])
        ['eng', 'nolang']
    """
    other = ("<asr>", "<sos>", "<eos>", "<sop>", "<unk>")
    found = (re.fullmatch(r"<([a-z]{3}|nolang)>", token) for token in token_list)
    return [match[1] for match in found if match and match[0] not in other]


def find_prompt(conf: Mapping[str, Any]) -> Tuple[str, str]:
    """Return the tokens that tell an OWSM-CTC language and task.

    Args:
        conf: content of a config.yaml; what is asked for is in its block ``ADDED``.

    Raises:
        ValueError: its token list has no such language or task.

    Example:
        >>> tokens = ["<eng>", "<nolang>", "<asr>", "<st_eng>"]
        >>> find_prompt({"token_list": tokens, ADDED: {"lang": "eng"}})
        ('<eng>', '<asr>')
        >>> find_prompt({"token_list": tokens, ADDED: {"lang": "deu"}})
        Traceback (most recent call last):
        ...
        ValueError: --teacher_lang must be one of eng, nolang, got deu.
    """
    asked, tokens = conf.get(ADDED) or {}, conf["token_list"]
    tasks = [t[1:-1] for t in tokens if re.fullmatch(r"<(asr|st_[a-z]{3})>", t)]
    known = {"lang": find_languages(tokens), "task": tasks}
    found = []
    for key, default in (("lang", "nolang"), ("task", "asr")):
        name = str(asked.get(key) or default).strip("<>")
        if name not in known[key]:
            raise ValueError(
                f"--teacher_{key} must be one of {', '.join(known[key])}, got {name}."
            )
        found.append(f"<{name}>")
    return found[0], found[1]
