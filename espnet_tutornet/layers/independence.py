"""Networks whose outputs of an utterance do not depend on the batch around it."""

from typing import Dict, Iterable, List, Sequence, Tuple

import torch
from torch import Tensor, nn

from espnet_tutornet.layers.taps import encode_with_taps

MASKED = "masked"  # padded frames are read by nobody: any batch will do
UNPADDED = "unpadded"  # padding changes what is said: utterances of one length together
STOCK = "stock"  # in padded batches whatever that changes, as ESPnet does it
TOLERANCE = 1e-4  # relative norm; float32 itself is at 1e-7 to 1e-6
SAMPLES = (48_000, 31_111, 16_000)  # of the utterances that are tried
# ESPnet's STFT mirrors the end of the longest utterance and reads zeros behind the
# others. Of silence both are the same, so that a window of it tells padding apart.
SILENCE = 4_096

Outputs = Tuple[Tensor, Dict[str, Tensor]]  # (B,) frames, layer name -> (B, T, D)


def encode_in_batch(
    model: nn.Module, layers: Iterable[str], speech: Tensor, speech_lengths: Tensor
) -> Outputs:
    """Encode a padded batch.

    Args:
        model: an ESPnet ASR model.
        layers: encoder layers to report; ``last``, the encoder's output, always.
        speech: (B, S) samples.
        speech_lengths: (B,).

    Returns:
        (B,) frames, and layer name -> (B, T, D).
    """
    _, lens, hidden = encode_with_taps(
        model.encode, model.encoder, layers, speech, speech_lengths
    )
    prompt = getattr(model, "prompt_frames", None)
    if prompt is not None:  # frames before the audio, and silence behind it
        end = prompt + hidden["last"].size(1)
        inner = {name: x[:, prompt:end] for name, x in hidden.items() if name != "last"}
        hidden = {**hidden, **inner}
    return lens, hidden


def encode_without_padding(
    model: nn.Module, layers: Iterable[str], speech: Tensor, speech_lengths: Tensor
) -> Outputs:
    """Encode as :func:`encode_in_batch` does, utterances of one length together."""
    names = ["last", *(name for name in layers if name != "last")]
    rows_of = [
        (speech_lengths == samples).nonzero()[:, 0]
        for samples in speech_lengths.unique()
    ]
    parts = []
    for rows in rows_of:
        lengths = speech_lengths[rows]
        cut = speech[rows, : int(lengths[0])]
        parts.append(encode_in_batch(model, names, cut, lengths))
    frames = max(hidden["last"].size(1) for _, hidden in parts)
    lens = torch.empty_like(speech_lengths)
    whole = {
        name: x.new_zeros(len(speech), frames, x.size(-1))
        for name, x in parts[0][1].items()
    }
    for rows, (part_lens, hidden) in zip(rows_of, parts):
        lens[rows] = part_lens.to(lens)
        for name, x in hidden.items():
            whole[name][rows, : x.size(1)] = x
    return lens, whole


@torch.no_grad()
def find_padding_rule(model: nn.Module, layers: Sequence[str], shift: float) -> str:
    """Try how a network has to be asked, so that no utterance hears another.

    Args:
        model: an ESPnet ASR model in eval mode that takes waveforms.
        layers: encoder layers that must not depend on the batch.
        shift: audio samples from one output frame to the next.

    Returns:
        ``masked``: in any batch. ``unpadded``: utterances of one length together.

    Raises:
        ValueError: its outputs depend on the batch in any case, or are random.
    """
    # a streaming encoder takes another path where all of the batch fits one block
    blocks = 3 * int(getattr(model.encoder, "block_size", None) or 0) * shift
    lengths = torch.tensor([max(SAMPLES[0], int(blocks)), *SAMPLES[1:]])
    device = next(model.parameters()).device
    speech = _noise(lengths).to(device)
    lengths = lengths.to(device)
    exact = torch.autocast(device.type, enabled=False)  # half precision differs anyway
    with exact, torch.random.fork_rng(devices=[]):  # some networks draw random numbers
        alone = [
            encode_in_batch(model, layers, speech[i : i + 1, :n], lengths[i : i + 1])
            for i, n in enumerate(lengths.tolist())
        ]
        if _differ(encode_in_batch(model, layers, speech, lengths), alone) is None:
            return MASKED
        equal = torch.full_like(lengths, int(lengths[-1]))
        speech = speech[:, : int(equal[0])]
        alone = [
            encode_in_batch(model, layers, speech[i : i + 1], equal[:1])
            for i in range(len(equal))
        ]
        problem = _differ(encode_in_batch(model, layers, speech, equal), alone)
    if problem is None:
        return UNPADDED
    kind = type(model.encoder).__name__
    training = [name for name, m in model.named_modules() if name and m.training]
    raise ValueError(
        f"what {kind} says of an utterance depends on the others of its batch, also "
        f"where none is padded: {problem}. Expected outputs of the utterance "
        f"alone. Modules in training mode: {', '.join(training[:5]) or 'none'}. "
        "Batch normalisation or dropout may be active in evaluation: bring another "
        "teacher."
    )


def _noise(lengths: Tensor) -> Tensor:
    """Make (B, S) noise that ends with silence, the same at each call."""
    generator = torch.Generator().manual_seed(0)
    speech = torch.zeros(len(lengths), int(lengths.max()))
    for row, samples in zip(speech, lengths.tolist()):
        heard = samples - SILENCE
        row[:heard] = 0.1 * torch.randn(heard, generator=generator)
    return speech


def _differ(batch: Outputs, alone: List[Outputs]):
    """Name the first layer and utterance whose outputs differ, or return None."""
    lens, hidden = batch
    for row, (own_lens, own) in enumerate(alone):
        frames = int(own_lens)
        if int(lens[row]) != frames:
            return f"{int(lens[row])} frames for {frames}"
        for name, theirs in own.items():
            expected = theirs[0, :frames].float()
            error = (hidden[name][row, :frames].float() - expected).norm()
            relative = float(error / expected.norm().clamp_min(1e-9))
            if not relative <= TOLERANCE:  # NaN, too
                return f"layer {name} differs by {relative:.2g} (relative norm)"
    return None
