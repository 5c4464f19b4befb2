"""Trainings in which no utterance reads the padding of its batch."""

import argparse
import logging

from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.asr import ASRTask

from espnet_tutornet.layers.padding import mask_padding
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss


def mask_student(model: ESPnetASRModel) -> None:
    """Mask padded frames in a network that learns; its decoding has none.

    Encoders of context blocks cannot be masked: where a block lies depends on the
    longest utterance. They train as ESPnet trains them, and the log says so.
    """
    mask_padding(model.encoder)
    if getattr(model.encoder, "block_size", 0):
        logging.warning(
            "%s reads blocks of frames, padded ones too: this cannot be masked, and "
            "the student is trained as ESPnet trains it.",
            type(model.encoder).__name__,
        )


class MaskedASRTask(ASRTask):
    """ESPnet's ASR task with padded frames masked (:func:`mask_padding`)."""

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetASRModel:
        """Build what ``ASRTask`` builds, and mask its encoder."""
        provide_rnnt_loss(getattr(args, "decoder", None))
        model = super().build_model(args)
        mask_student(model)
        return model
