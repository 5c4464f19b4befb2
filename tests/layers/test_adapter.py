import pytest
import torch

from espnet_tutornet.layers.adapter import ADAPTERS, build_adapter


@pytest.mark.parametrize("name", sorted(set(ADAPTERS) - {"none"}))
def test_adapter_maps_the_width_and_keeps_the_frames(name):
    assert build_adapter(name, 3, 5)(torch.zeros(2, 7, 3)).shape == (2, 7, 5)


def test_conv1_sees_one_frame_and_conv3_its_neighbours():
    x = torch.zeros(1, 7, 2)
    bump = x.clone()
    bump[0, 3] = 1.0
    for name, expected in (("linear", [3]), ("conv1", [3]), ("conv3", [2, 3, 4])):
        torch.manual_seed(0)
        adapter = build_adapter(name, 2, 4)
        changed = (adapter(bump) != adapter(x)).any(dim=-1)[0]
        assert changed.nonzero().flatten().tolist() == expected, name


def test_conv1_equals_linear_with_the_same_weight():
    conv, linear = build_adapter("conv1", 3, 5), build_adapter("linear", 3, 5)
    linear.weight.data = conv.conv.weight.data.squeeze(-1)
    linear.bias.data = conv.conv.bias.data
    x = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(conv(x), linear(x))


def test_none_is_the_identity_without_parameters():
    adapter = build_adapter("none", 4, 4)
    x = torch.ones(1, 2, 4)
    assert adapter(x) is x
    assert not list(adapter.parameters())


def test_none_refuses_widths_that_differ():
    with pytest.raises(ValueError, match="student 4 and teacher 8.*adapter: linear"):
        build_adapter("none", 4, 8)


def test_unknown_adapter_lists_the_known_ones():
    with pytest.raises(
        ValueError,
        match=r"adapter must be one of \['conv1', 'conv3', 'linear', 'none'\]",
    ):
        build_adapter("mlp", 4, 8)
