"""What configurations say of a model, for those who plan its jobs."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Sequence

from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.methods import Method
from espnet_tutornet.utils.espnet_task import find_task, has_ctc_branch
from espnet_tutornet.utils.reading import read_yaml
from espnet_tutornet.utils.snapshot import is_huggingface

OURS, STOCK = "espnet_tutornet.bin", "espnet2.bin"
MOMENT = 0.1  # seconds: the longest window of an STFT that we reckon with
OUR_ENCODERS = ("jasper", "deepspeech2")  # of espnet_tutornet.encoder


@lru_cache(maxsize=None)
def _read_version(path: str, changed: int) -> Dict[str, Any]:
    return read_yaml(Path(path))


def _conf(path: str) -> Dict[str, Any]:
    """Read a configuration once for each of its versions: ESPnet's are long."""
    return _read_version(path, Path(path).stat().st_mtime_ns)


def host_of(config: str) -> str:
    """Return whose commands train and decode a configuration.

    Stock ESPnet does not know our encoders, and needs a package for transducers.
    """
    ours = _conf(config).get("encoder") in OUR_ENCODERS or is_transducer(config)
    return OURS if ours else STOCK


def trainer_of(config: str, masked: bool = False) -> str:
    """Return the command that trains a configuration without a teacher.

    Args:
        config: of the model.
        masked: no utterance reads its batch's padding; stock ESPnet masks none.
    """
    if masked:
        return f"{OURS}.asr_train"
    if is_transducer(config):
        return f"{OURS}.tutornet_train"  # ESPnet's own training: no distill_conf
    return f"{host_of(config)}.asr_train"


def is_transducer(config: str) -> bool:
    """Tell whether a model's decoder is a transducer's."""
    return _conf(config).get("decoder") == "transducer"


def has_ctc(config: str) -> bool:
    """Tell whether a model has a CTC branch, whose best path can be taken."""
    return has_ctc_branch(_conf(config))


def writes_text(config: str) -> bool:
    """Tell whether a model can be decoded: an encoder alone cannot."""
    return has_ctc(config) or not is_huggingface(_conf(config))


def check_writes_text(config: str) -> None:
    """Refuse to have text written by an encoder alone.

    Args:
        config: of the teacher.

    Raises:
        UsageError: it is one.
    """
    if not writes_text(config):
        raise UsageError(
            "--pseudo_labels true asks the teacher for its text, but it is an encoder "
            "alone, expected a CTC head. Give --pseudo_text, or another teacher."
        )


def posteriors_to_keep(config: str, methods: Sequence[Method], top_k: int) -> int:
    """Return how many CTC posteriors of a frame are kept: none of what has none.

    Args:
        config: of the teacher.
        methods: of the experiment.
        top_k: of the options.

    Raises:
        UsageError: a method learns posteriors that the teacher does not have.
    """
    if has_ctc(config) or not top_k:
        return top_k
    learns = [method.name for method in methods if method.criterion]
    if learns:
        raise UsageError(
            f"--methods: {' '.join(learns)} learns the teacher's CTC posteriors, but "
            "it has no CTC branch. Give RKD alone, such as rkd_task, or its text: "
            "--pseudo_labels true."
        )
    print(
        "the teacher has no CTC branch: its hidden states alone are kept. RKD needs "
        "frame_weights: none or energy.",
        flush=True,
    )
    return 0


def is_best_path(inference_config: str) -> bool:
    """Tell whether a decoding is CTC's best path, ours, and no search of ESPnet's."""
    return _conf(inference_config).get("search") == "best_path"


def takes_best_path(config: str, inference_config: str, checks: bool) -> bool:
    """Tell whether a model is decoded by CTC's best path.

    Args:
        config: of the model; a transducer's own search is ESPnet's.
        inference_config: ``decode_<name>.yaml``.
        checks: the teacher is checked: what its CTC branch says is what it teaches.
    """
    if not has_ctc(config):
        return False
    conf = _conf(config)
    # what ESPnet's search of the ASR task does not know
    other = find_task(conf) != "asr" or conf.get("model") == "maskctc"
    if checks or other or is_huggingface(conf):
        return True
    return is_best_path(inference_config) and not is_transducer(config)


def search_words(config: str, inference_config: str) -> List[str]:
    """Return the options of ``asr_inference``.

    Where all others take CTC's best path, others take the likeliest token of each of
    their steps. Without a CTC branch, the search does without its scores.

    Args:
        config: of the model.
        inference_config: ``decode_<name>.yaml``.
    """
    if find_task(_conf(config)) == "asr_transducer":
        return ["--beam_size", str(_conf(inference_config).get("beam_size", 1))]
    words = ["--config", inference_config]
    if is_best_path(inference_config):
        words = ["--beam_size", "1"]
    without = not has_ctc(config) and not is_transducer(config)
    return words + (["--ctc_weight", "0.0"] if without else [])


def has_moments(scp: str, fs: int) -> bool:
    """Tell whether an utterance of a set is shorter than a window may be.

    Args:
        scp: its wav.scp, beside utt2num_samples.
        fs: sampling rate in Hz.
    """
    path = Path(scp).with_name("utt2num_samples")
    if not path.is_file():
        return False
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(int(line.split()[1]) < MOMENT * fs for line in lines)


def start_from(model: str, overlay: str, learns: bool) -> List[str]:
    """Return the arguments of a training that goes on from stage 1.

    Args:
        model: what stage 1 left; the whole student is taken from it.
        overlay: what is laid over the student now; if it keeps RKD on, the adapter is
            taken, too.
        learns: whether there is an overlay.
    """
    words = ["--init_param", f"{model}:::distiller."]
    if learns:
        terms = (_conf(overlay).get("distill_conf") or {}).get("terms") or {}
        if "rkd" in terms:
            words.append(f"{model}:distiller.terms.rkd:distiller.terms.rkd")
    return words
