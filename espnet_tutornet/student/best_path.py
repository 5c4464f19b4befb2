"""CTC's best path: the likeliest token of each frame, repeats merged."""

from typing import List, Optional

import torch
from torch import Tensor

from espnet_tutornet.encoder.frames import TOO_SHORT
from espnet_tutornet.layers.ctc_path import collapse_path


class TooShort(ValueError):
    """An utterance of which a model makes no frame."""


@torch.no_grad()
def find_best_path(model: torch.nn.Module, wave: Tensor) -> Optional[List[int]]:
    """Encode an utterance and take the best path of the model's CTC branch.

    Args:
        model: an ESPnet ASR model in eval mode on the CPU.
        wave: (S,) samples.

    Returns:
        Token ids without blank; None where there is no CTC branch, after encoding.

    Raises:
        TooShort: the model makes no frame of so few samples.
    """
    stft = getattr(getattr(model, "frontend", None), "stft", None)
    # reflected at its ends, a window takes more samples than half its length
    if len(wave) <= (stft.n_fft // 2 if getattr(stft, "center", False) else 0):
        raise TooShort(f"{len(wave)} samples are too few for one window of the STFT.")
    try:
        encoder_out, _ = model.encode(wave[None], torch.tensor([len(wave)]))
    except TOO_SHORT as error:
        raise TooShort(f"{len(wave)} samples are too few: {error}") from error
    if isinstance(encoder_out, tuple):  # with what inner blocks say
        encoder_out = encoder_out[0]
    if model.ctc is None:
        return None
    return collapse_path(model.ctc.argmax(encoder_out)[0], model.blank_id)
