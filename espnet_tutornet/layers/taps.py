"""Read the output of inner modules during a forward pass."""

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, Tuple

from torch import Tensor, nn


def first_tensor(output: Any) -> Tensor:
    """Return the first tensor in a nest of tuples.

    ESPnet's encoder blocks return ``(x, mask)``, ``((x, pos_emb), mask)`` or
    ``(x, lens, states)``: the representation always comes first.
    """
    while isinstance(output, (tuple, list)):
        output = output[0]
    return output


def get_layer(module: nn.Module, name: str) -> nn.Module:
    """Return the submodule ``name``, for example ``encoders.3``.

    Raises:
        ValueError: there is none; the message lists the first levels of names.
    """
    try:
        return module.get_submodule(name)
    except AttributeError:
        names = [n for n, _ in module.named_modules() if n and n.count(".") < 2]
        raise ValueError(
            f"{type(module).__name__} has no layer {name!r}. Layers: 'last' "
            f"(the encoder's output), {', '.join(names)}."
        ) from None


@contextmanager
def tap(module: nn.Module, names: Iterable[str]) -> Iterator[Dict[str, Tensor]]:
    """Collect what the named layers put out inside the block, first call each.

    Args:
        module: the network.
        names: names of its submodules.

    Yields:
        Dict that fills with layer name -> output tensor, graph included.

    Raises:
        ValueError: a name is unknown.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with tap(net, ["0"]) as outputs:
        ...     _ = net(torch.zeros(1, 2))
        >>> outputs["0"].shape
        torch.Size([1, 3])
    """
    outputs: Dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_module, _inputs, output):
            outputs.setdefault(name, first_tensor(output))

        return hook

    layers = {name: get_layer(module, name) for name in names}
    handles = [
        layer.register_forward_hook(keep(name)) for name, layer in layers.items()
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def encode_with_taps(
    encode: Callable,
    encoder: nn.Module,
    layers: Iterable[str],
    speech: Tensor,
    speech_lengths: Tensor,
) -> Tuple[Any, Tensor, Dict[str, Tensor]]:
    """Encode once and report the named layers; ``last`` is the encoder's output.

    Args:
        encode: an ESPnet model's ``encode``.
        encoder: its encoder, which has the layers.
        layers: layer names.
        speech: (B, S).
        speech_lengths: (B,).

    Returns:
        What ``encode`` returned (output, lengths), and layer name -> (B, T, D),
        ``last`` always among them.
    """
    with tap(encoder, [name for name in layers if name != "last"]) as hidden:
        encoder_out, encoder_out_lens = encode(speech, speech_lengths)
    hidden["last"] = first_tensor(encoder_out)
    return encoder_out, encoder_out_lens, hidden
