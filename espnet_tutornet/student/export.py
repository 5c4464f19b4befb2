"""Turn a trained student into a plain ESPnet model."""

import argparse
import shutil
from pathlib import Path
from typing import Any, Dict

import yaml
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_tutornet.asr.tutornet_model import student_state_dict
from espnet_tutornet.encoder.register import ENCODERS
from espnet_tutornet.experiment.card import NEEDS_US
from espnet_tutornet.jobs.saving import save
from espnet_tutornet.teacher.loading import build_filled
from espnet_tutornet.teacher.names import ParametersMismatch, portable_names
from espnet_tutornet.teacher.safe_load import load_parameters
from espnet_tutornet.utils.files import atomic_dir
from espnet_tutornet.utils.reading import read_yaml

# Where this training read and wrote: nobody else has these paths.
LOCAL_KEYS = (
    "config",
    "output_dir",
    "init_param",
    "train_data_path_and_name_and_type",
    "valid_data_path_and_name_and_type",
    "train_shape_file",
    "valid_shape_file",
    "dist_init_method",
    "distill_conf",
)
# for who asks why ESPnet does not know the encoder; it passes over the key itself
HOW_TO_RUN = (
    "Its encoder is not in ESPnet. Install espnet_tutornet, then run python -m "
    "espnet_tutornet.bin.asr_inference with the options of espnet2.bin.asr_inference."
)
# Files that the model needs: (block of the config, key in it or None).
MODEL_FILES = (("normalize_conf", "stats_file"), ("bpemodel", None))


def export_student(expdir: Path, checkpoint: str) -> Path:
    """Write ``<expdir>/export``: config.yaml, model.pth and the files they name.

    The checkpoint loses the adapters, the configuration its local paths; what remains
    must fill a stock ESPnet model, key by key. Where ESPnet lacks the encoder, the
    configuration begins with the key ``espnet_tutornet``, which tells how to run it.

    Args:
        expdir: the directory of a training.
        checkpoint: name of a ``.pth`` in it.

    Returns:
        The directory written.

    Raises:
        FileNotFoundError: the configuration, the checkpoint or a file is missing.
        RuntimeError: the checkpoint does not fill the stock model.
        OSError: the disk is full; an earlier export stays.
    """
    out_dir = expdir / "export"
    config_file = expdir / "config.yaml"
    conf = read_yaml(config_file, "a finished training", "Run its stage first.")
    state_dict = student_state_dict(load_parameters(expdir / checkpoint))
    model = _fill(conf, state_dict, expdir / checkpoint)
    state_dict = portable_names(model, state_dict)
    for key in LOCAL_KEYS:
        conf.pop(key, None)
    conf["non_linguistic_symbols"] = None  # a file that decoding does not read
    if conf["encoder"] in ENCODERS:
        conf = {NEEDS_US: HOW_TO_RUN, **conf}
    with atomic_dir(out_dir) as new:
        for block, key in MODEL_FILES:
            _bring_file(conf, block, key, new, out_dir)
        save(state_dict, new / "model.pth")
        with (new / "config.yaml").open("w", encoding="utf-8") as f:
            yaml.safe_dump(conf, f, sort_keys=False)
    return out_dir


def _fill(conf: Dict[str, Any], state_dict: dict, checkpoint: Path) -> ESPnetASRModel:
    try:
        return build_filled(argparse.Namespace(**conf), state_dict)
    except ParametersMismatch as error:
        raise RuntimeError(
            f"{checkpoint} does not fill the ESPnet model of its config.yaml: {error}. "
            "Train it again, or export another checkpoint."
        ) from None


def _bring_file(conf: dict, block: str, key: str, new: Path, out_dir: Path) -> None:
    holder, name = (conf, block) if key is None else (conf.get(block) or {}, key)
    if holder.get(name) is None:
        return
    source = Path(holder[name])
    shutil.copyfile(source, new / source.name)
    holder[name] = str(out_dir / source.name)
