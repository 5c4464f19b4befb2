"""What a model costs to run: products a second of audio, bytes, time."""

import argparse
import io
import math
import time
import warnings
from typing import Any, Callable, Dict, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from espnet_tutornet.student.best_path import find_best_path

MODULES = ("frontend", "preencoder", "encoder", "postencoder", "decoder", "model")
COUNTED_SECONDS = 10  # attention grows with the square of it, all else in proportion


def _recurrent_layer_flops(input_shape, input_weight, hidden_weight, *args, **kwargs):
    frames = math.prod(input_shape[:-1])
    return 2 * frames * (math.prod(input_weight) + math.prod(hidden_weight))


def _attention_flops(query_shape, key_shape, value_shape, *args, **kwargs):
    return sdpa_flop_count(query_shape, key_shape, value_shape)


# What the CPU runs as one operation, whose products torch's counter does not see:
# oneDNN's LSTM, a call a layer and direction, and attention. GRUs and plain RNNs come
# apart into products that it does see.
FUSED = {
    torch.ops.aten.mkldnn_rnn_layer: _recurrent_layer_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
}


def describe_network(conf: argparse.Namespace) -> Dict[str, Any]:
    """Return the arguments of a model that decide what it costs: modules and sizes.

    Args:
        conf: of ESPnet's config.yaml.
    """
    names = [*MODULES, *(f"{name}_conf" for name in MODULES)]
    names += ["normalize", "input_size", "ctc_conf", "joint_net_conf"]
    network = {name: getattr(conf, name, None) for name in names}
    return {**network, "tokens": len(conf.token_list)}


@torch.no_grad()
def count_macs(function: Callable, *inputs: torch.Tensor) -> int:
    """Count the multiply-accumulates of ``function(*inputs)`` by running it.

    They are half the FLOPs of torch's counter, to which :data:`FUSED` is added: matrix
    products, convolutions, recurrent layers and attention. Not counted are biases,
    activations, normalisations, softmax and other element-wise work, Fourier
    transforms, and what ``torch.nn.MultiheadAttention`` does in one operation.

    Args:
        function: a module in eval mode, or any function of CPU tensors.
        inputs: its arguments.
    """
    with FlopCounterMode(display=False, custom_mapping=FUSED) as counter:
        function(*inputs)
    return counter.get_total_flops() // 2


def macs_per_second(model: torch.nn.Module, fs: int) -> float:
    """Count the multiply-accumulates a second of audio, from samples to CTC tokens.

    What counts is said in :func:`count_macs`: of the frontend the mel filters, not the
    STFT.

    Args:
        model: an ESPnet ASR model in eval mode on the CPU.
        fs: sampling rate in Hz.

    Returns:
        The mean over one utterance of ``COUNTED_SECONDS`` seconds.
    """
    silence = torch.zeros(COUNTED_SECONDS * fs)
    return (
        count_macs(lambda wave: find_best_path(model, wave), silence) / COUNTED_SECONDS
    )


def real_time_factor(
    model: torch.nn.Module, waves: Sequence[torch.Tensor], fs: int
) -> float:
    """Divide the time of greedy CTC by the audio's duration.

    Utterances go one by one, after a warm-up.

    Args:
        model: an ESPnet ASR model in eval mode.
        waves: (S,) samples each.
        fs: sampling rate in Hz.

    Returns:
        Seconds of work a second of audio.
    """
    find_best_path(model, waves[0])
    start = time.perf_counter()
    for wave in waves:
        find_best_path(model, wave)
    return (time.perf_counter() - start) / (sum(len(wave) for wave in waves) / fs)


def quantize_linear(model: torch.nn.Module) -> torch.nn.Module:
    """Return a copy with int8 weights, as ``--quantize_asr_model true`` makes it.

    ESPnet's ``asr_inference`` quantizes linear layers alone unless told otherwise
    (``--quantize_modules``): a convolution or a recurrent layer stays float32.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torchao will take over, at each call
        return torch.ao.quantization.quantize_dynamic(
            model, {torch.nn.Linear}, dtype=torch.qint8
        )


def saved_bytes(model: torch.nn.Module) -> int:
    """Return the size in bytes of the ``.pth`` that the model would be saved to."""
    counter = _ByteCounter()
    torch.save(model.state_dict(), counter)
    return counter.bytes


class _ByteCounter(io.RawIOBase):
    """A file that keeps the number of its bytes alone."""

    def __init__(self):
        self.bytes = 0

    def write(self, data) -> int:
        self.bytes += len(data)
        return len(data)
