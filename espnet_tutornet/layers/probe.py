"""Measure a model's frame shift and the widths of its layers by running it once."""

from dataclasses import dataclass
from typing import Iterable, Mapping

import torch
from torch import nn

from espnet_tutornet.layers.independence import encode_in_batch

# Divisible by every usual hop (80, 100, 128, 160, 200, 256) times every usual
# subsampling (1, 2, 3, 4, 6, 8): the difference of two outputs is then exact.
PROBE_STEP = 6400 * 24
PROBE_START = 16000


@dataclass(frozen=True)
class Probe:
    """What a run on silence told.

    Attributes:
        frame_shift: audio samples an output frame, 640.0 for hop 160 and conv2d.
        sizes: layer name -> width.
    """

    frame_shift: float
    sizes: Mapping[str, int]


@torch.no_grad()
def probe_model(model: nn.Module, layers: Iterable[str] = ("last",)) -> Probe:
    """Encode silence of two lengths; the model's mode is restored.

    The two do not share a batch: ESPnet's subsampled masks give the longest utterance
    of a batch one frame less at its end than the others.

    Args:
        model: an ESPnet ASR model that takes waveforms.
        layers: encoder layer names to measure; ``last`` is always among them.

    Raises:
        ValueError: unknown layer, one that is not at the encoder's frame rate, or a
            model that takes features.
    """
    if model.frontend is None and not getattr(model, "is_encoder_whisper", False):
        raise ValueError(
            "the model takes features (input_size is set), expected waveforms: "
            "distillation hands the same audio to teacher and student. Train it with "
            "a frontend."
        )
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    frames = []
    for samples in (PROBE_START + PROBE_STEP, PROBE_START):
        speech = torch.zeros(1, samples, device=device)
        lengths = torch.tensor([samples], device=device)
        lens, hidden = encode_in_batch(model, layers, speech, lengths)
        frames.append(int(lens))
    model.train(was_training)
    for name, output in hidden.items():
        if output.dim() != 3 or output.shape[:2] != hidden["last"].shape[:2]:
            raise ValueError(
                f"layer {name!r} puts out {tuple(output.shape)}, expected one "
                f"utterance of {frames[-1]} frames as the encoder's output has. Choose "
                "another layer."
            )
    return Probe(
        frame_shift=PROBE_STEP / (frames[0] - frames[1]),
        sizes={name: output.size(-1) for name, output in hidden.items()},
    )
