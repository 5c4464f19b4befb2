"""Build a model by the task of ESPnet that its configuration is of."""

import argparse
import importlib
import logging
from typing import Any, Dict, Mapping

import torch
from espnet2 import __version__ as espnet_version
from espnet2.layers.create_adapter import create_adapter
from espnet2.train.abs_espnet_model import AbsESPnetModel

import espnet_tutornet.encoder.register  # noqa: F401, a teacher may have them
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.teacher.offline import parameters_at_hand
from espnet_tutornet.teacher.safe_load import weights_only
from espnet_tutornet.utils.espnet_task import check_teaches, find_task

CLASSES = {
    "asr": "ASRTask",
    "asr_transducer": "ASRTransducerTask",
    "s2t": "S2TTask",
    "s2t_ctc": "S2TTask",
    "slu": "SLUTask",
}
# what networks of published models need, and how to get it
PACKAGES = {
    "whisper": "pip install 'setuptools<74' wheel && pip install "
    "--no-build-isolation openai-whisper==20230918 (ESPnet cannot read later ones)",
    "s3prl": "pip install espnet-s3prl",
    "transformers": "pip install transformers",
    "loralib": "pip install loralib",
    "longformer": "pip install longformer",
    "fairseq": "fairseq installs under Python 3.8 to 3.10 alone; bring a teacher whose "
    "frontend is s3prl or huggingface in its place",
}
FETCHING = ("s3prl", "huggingface", "fused")  # frontends that fetch a base network


def get_task(conf: Mapping[str, Any]):
    """Return the class of ESPnet's task that wrote a configuration.

    Raises:
        ValueError: models of this task cannot teach.
    """
    name = check_teaches(conf)
    return getattr(importlib.import_module(f"espnet2.tasks.{name}"), CLASSES[name])


def complete_arguments(conf: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a configuration of ESPnet's with all arguments that it does not give.

    They are as this release has them.

    Args:
        conf: content of a config.yaml.

    Raises:
        ValueError: models of its task cannot teach.
    """
    # not get_default_config(): that reads the command line of this process
    defaults = get_task(conf).get_parser().parse_args(["--output_dir", "nowhere"])
    return {**vars(defaults), **conf}


def build_model(
    conf: Mapping[str, Any], state_dict: Mapping[str, torch.Tensor]
) -> AbsESPnetModel:
    """Build the stock model of a configuration, to be filled with ``state_dict``.

    Nothing that ``state_dict`` holds is looked for on disk or fetched. What is loaded
    all the same is read as tensors alone.

    Args:
        conf: content of a config.yaml, of any ESPnet release.
        state_dict: its parameters.

    Raises:
        FileNotFoundError: a file that the configuration names is missing.
        RuntimeError: a network needs a package; the message says which.
        ValueError: the configuration asks for what this release does not have.
    """
    task = get_task(conf)
    known = complete_arguments(conf)
    known["init"] = None  # all parameters come from the file
    provide_rnnt_loss(known.get("decoder"))
    try:
        with weights_only(), parameters_at_hand(known, state_dict) as arguments:
            model = task.build_model(argparse.Namespace(**arguments))
            if known.get("use_adapter"):
                create_adapter(model, known["adapter"], known["adapter_conf"])
    except FileNotFoundError:
        raise
    except ImportError as error:
        raise _name_package(error) from error
    except (TypeError, KeyError) as error:
        release = known.get("version") or "unknown"
        raise ValueError(
            f"this ESPnet, {espnet_version}, cannot build a model of the task "
            f"{find_task(conf)} that release {release} configured: "
            f"{type(error).__name__}: {error}. Install that release, or bring another "
            "teacher."
        ) from error
    except Exception as error:  # of any library that a network is from
        raise ValueError(_explain(known, error)) from error
    if find_task(conf) != "asr":
        logging.info("a teacher of ESPnet's task %s", find_task(conf))
    return model


def _name_package(error: ImportError) -> RuntimeError:
    """Say which package a network needs, and how to install it."""
    text = str(error)
    name = (error.name or "").split(".")[0]
    name = name or next((each for each in PACKAGES if each in text.lower()), "")
    how = PACKAGES.get(name, f"install the package {name}" if name else "install it")
    return RuntimeError(
        f"the teacher's network needs a package that is missing or of another release "
        f"({text}): {how}."
    )


def _explain(conf: Mapping[str, Any], error: Exception) -> str:
    """Say what part of a configuration cannot be built."""
    said = (str(error).strip().splitlines() or [""])[0]
    reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
    frontend, frontend_conf = conf.get("frontend"), conf.get("frontend_conf") or {}
    if frontend not in FETCHING:
        return f"its model cannot be built ({reason}). Bring another teacher."
    base = frontend_conf.get("frontend_conf") or frontend_conf
    base = {k: base[k] for k in ("upstream", "path_or_url", "model") if base.get(k)}
    return (
        f"the base network of its frontend {frontend} cannot be built ({reason}): "
        f"{base or frontend_conf}. It is fetched once, or read from a file of tensors "
        "that the configuration names. Run once with a network, or put the file there."
    )
