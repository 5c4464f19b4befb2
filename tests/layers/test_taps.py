import pytest
import torch
from torch import nn

from espnet_tutornet.layers.taps import encode_with_taps, first_tensor, get_layer, tap


class Block(nn.Module):
    def forward(self, x):
        return (x + 1, "pos"), None


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoders = nn.ModuleList([Block(), Block()])

    def forward(self, x):
        for block in self.encoders:
            (x, _), _ = block(x)
        return x


def hooks(module):
    return sum(len(m._forward_hooks) for m in module.modules())


@pytest.mark.parametrize("nest", [lambda x: x, lambda x: (x, 1), lambda x: ((x, 1), 2)])
def test_first_tensor_opens_nested_tuples(nest):
    x = torch.zeros(1)
    assert first_tensor(nest(x)) is x


def test_tap_reads_inner_layers_with_their_graph():
    encoder, x = Encoder(), torch.zeros(1, requires_grad=True)
    with tap(encoder, ["encoders.0", "encoders.1"]) as outputs:
        encoder(x)
    assert {name: value.item() for name, value in outputs.items()} == {
        "encoders.0": 1.0,
        "encoders.1": 2.0,
    }
    outputs["encoders.0"].backward()
    assert x.grad.item() == 1.0


def test_tap_keeps_the_first_call():
    net = nn.Identity()
    model = nn.Sequential(net)
    with tap(model, ["0"]) as outputs:
        model(torch.tensor(1.0))
        model(torch.tensor(2.0))
    assert outputs["0"].item() == 1.0


def test_tap_removes_its_hooks_also_after_an_error():
    encoder = Encoder()
    with tap(encoder, ["encoders.0"]):
        assert hooks(encoder) == 1
    assert hooks(encoder) == 0
    with pytest.raises(ZeroDivisionError):
        with tap(encoder, ["encoders.0"]):
            raise ZeroDivisionError
    assert hooks(encoder) == 0


def test_an_unknown_layer_lists_the_layers_and_leaves_no_hook():
    encoder = Encoder()
    with pytest.raises(
        ValueError, match="no layer 'encoders.2'.*'last'.*encoders.0, encoders.1"
    ):
        with tap(encoder, ["encoders.0", "encoders.2"]):
            pass
    assert hooks(encoder) == 0


def test_get_layer_returns_the_submodule():
    encoder = Encoder()
    assert get_layer(encoder, "encoders.1") is encoder.encoders[1]


def test_encode_with_taps_reports_last_and_what_encode_returned():
    encoder = Encoder()

    def encode(speech, lengths):
        return (encoder(speech), "intermediate"), lengths

    lengths = torch.tensor([1])
    out, lens, hidden = encode_with_taps(
        encode, encoder, ["last", "encoders.0"], torch.zeros(1), lengths
    )
    assert lens is lengths and out[1] == "intermediate"
    assert hidden["last"] is out[0]
    assert set(hidden) == {"last", "encoders.0"}
    assert hidden["encoders.0"].item() == 1.0
