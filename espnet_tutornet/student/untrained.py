"""Build the model of a training configuration, before there is any training."""

import argparse
import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.asr import ASRTask

import espnet_tutornet.encoder.register  # noqa: F401
from espnet_tutornet.experiment.training import fill_frontend
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.teacher.kinds import sampling_rate
from espnet_tutornet.teacher.tasks import complete_arguments
from espnet_tutornet.utils.reading import read_yaml

SPECIAL = ("<blank>", "<unk>", "<sos/eos>")


def build_untrained(
    path: Path, fs: int, vocab_size: int = len(SPECIAL)
) -> ESPnetASRModel:
    """Build the model of a training configuration, in eval mode.

    Global normalisation, whose statistics are not there, becomes that of an utterance;
    neither has parameters or products.

    Args:
        path: with ``fs: auto`` and durations in the frontend, or without.
        fs: sampling rate in Hz.
        vocab_size: tokens, special ones included.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no yaml mapping, for another sampling rate, or cannot be
            built.
    """
    words = [f"token{index}" for index in range(vocab_size - len(SPECIAL))]
    filled = dict(
        normalize="utterance_mvn",
        normalize_conf={},
        token_list=[*SPECIAL[:2], *words, SPECIAL[2]],
    )
    args = argparse.Namespace(**complete_arguments({**read_yaml(path), **filled}))
    provide_rnnt_loss(args.decoder)
    try:
        args.frontend_conf = fill_frontend(args.frontend_conf or {}, fs)
        if sampling_rate(args) not in (None, fs):
            raise ValueError(
                f"its frontend is for {sampling_rate(args)} Hz, got {fs} Hz: give that "
                "rate, or write fs: auto"
            )
        with quietly():
            return ASRTask.build_model(args).eval()
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: cannot be built: {error}. Mend it.") from None


@contextmanager
def quietly() -> Iterator[None]:
    """Keep ESPnet's warnings back: of a model that is thrown away they tell nothing."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(max(level, logging.ERROR))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
