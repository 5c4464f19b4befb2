import math

import pytest
import torch
from torch import nn

from espnet_tutornet.encoder.frames import Frames
from espnet_tutornet.encoder.masked_conv import (
    MaskedBatchNorm,
    MaskedConv1d,
    MaskedConv2d,
    masked_relu,
    same_padding,
)

LENS = torch.tensor([9, 4, 1, 6])


def frames_of(lens):
    return Frames(lens, lens)


def noise(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=dtype) * 3 + 7


def shapes(channels):
    return [(4, channels, 9), (4, channels, 9, 3)]


@pytest.mark.parametrize("kernel", [0, 2, 4, -1])
def test_same_padding_refuses_an_even_kernel(kernel):
    with pytest.raises(ValueError, match=f"odd and 1 or more, got {kernel}"):
        same_padding(kernel)


def test_convolution_takes_no_padding_for_speech():
    conv = MaskedConv1d(1, 1, kernel=3)
    nn.init.ones_(conv.weight)
    x = torch.tensor([[[1.0, 2, 3, 4, 5]], [[1, 2, 3, 900, 900]]])
    frames = frames_of(torch.tensor([5, 3]))
    y, _ = conv(masked_relu(x, frames), frames)
    assert y[0, 0].tolist() == [3, 6, 9, 12, 9]
    assert y[1, 0, :3].tolist() == [3, 6, 5]


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 11])
def test_every_length_becomes_exactly_its_ceiling(kernel, stride, dilation):
    conv = MaskedConv1d(2, 3, kernel, stride, dilation)
    for size in range(1, 14):
        lens = torch.arange(1, size + 1)
        y, frames = conv(torch.zeros(size, 2, size), frames_of(lens))
        wanted = [math.ceil(n / stride) for n in lens.tolist()]
        assert frames.lens.tolist() == frames.host_lens.tolist() == wanted
        assert y.size(2) == frames.size == wanted[-1]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rank", [1, 2])
def test_convolution_of_a_batch_equals_that_of_its_utterances(rank, stride):
    torch.manual_seed(0)
    if rank == 1:
        conv = MaskedConv1d(5, 4, kernel=7, stride=stride).double()
    else:
        conv = MaskedConv2d(5, 4, kernel=(7, 3), stride=(stride, 2)).double()
    x = noise(*shapes(5)[rank - 1])
    frames = frames_of(LENS)
    x = masked_relu(x, frames)
    y, frames = conv(x, frames)
    for n, length in enumerate(LENS.tolist()):
        alone, own = conv(x[n : n + 1, :, :length], frames_of(LENS[n : n + 1]))
        assert own.size == frames.lens[n]
        assert torch.allclose(y[n, :, : own.size], alone[0], rtol=0, atol=1e-12)


def _gather(x, frames):
    """Return the valid values, (N, C)."""
    return x.movedim(1, -1)[~frames.pad_mask].reshape(-1, x.size(1))


@pytest.mark.parametrize("shape", shapes(5))
def test_batch_norm_equals_that_of_the_valid_frames_alone(shape):
    torch.manual_seed(0)
    frames = frames_of(LENS)
    ours = MaskedBatchNorm(5, eps=1e-3).double()
    plain = nn.BatchNorm1d(5, eps=1e-3).double()
    nn.init.normal_(ours.weight), nn.init.normal_(ours.bias)
    plain.load_state_dict(ours.state_dict())
    x = noise(*shape).requires_grad_()
    its = x.detach().clone().requires_grad_()
    for _ in range(2):
        found = _gather(ours(x * 1, frames), frames)
        wanted = plain(_gather(its, frames))
    weight = noise(*wanted.shape)
    (found * weight).sum().backward()
    (wanted * weight).sum().backward()
    pairs = [(found, wanted), (x.grad, its.grad)]
    pairs += [(p.grad, q.grad) for p, q in zip(ours.parameters(), plain.parameters())]
    pairs += list(zip(ours.buffers(), plain.buffers()))
    assert len(pairs) == 7
    for mine, theirs in pairs:
        assert torch.allclose(mine, theirs, rtol=0, atol=1e-11)
    wanted = plain.eval()(_gather(its, frames))
    found = _gather(ours.eval()(x, frames), frames)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", shapes(3))
def test_gradient_of_batch_norm_is_that_of_finite_differences(shape):
    frames = frames_of(LENS)
    norm = MaskedBatchNorm(3).double()
    x = noise(*shape).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: norm(x * 1, frames) * (1 - frames.padding(x)), (x,)
    )


@pytest.mark.parametrize("shape", shapes(3))
def test_relu_and_its_gradient_are_those_of_the_valid_frames(shape):
    frames = frames_of(LENS)
    x = (noise(*shape) - 7).requires_grad_()
    found = masked_relu(x * 1, frames)
    wanted = x.relu() * (1 - frames.padding(x))
    assert torch.equal(found, wanted)
    weight = noise(*shape)
    grads = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (found, wanted)]
    assert torch.equal(*grads) and grads[0].count_nonzero() > 0
    assert torch.autograd.gradcheck(lambda x: masked_relu(x * 1, frames), (x,))


def test_relu_without_padding_is_the_plain_one():
    x = noise(2, 4, 3)
    expected = (x - 7).relu()
    assert torch.equal(masked_relu(x - 7, frames_of(torch.tensor([3, 3]))), expected)


def test_batch_norm_of_ones_and_threes_is_minus_one_and_one():
    norm = MaskedBatchNorm(1, eps=1e-9)
    x = torch.tensor([[[1.0, 3.0]], [[1.0, 100.0]], [[3.0, -50.0]]])
    y = norm(x, frames_of(torch.tensor([2, 1, 1])))  # mean 2, variance 1
    assert torch.allclose(y[0, 0], torch.tensor([-1.0, 1.0]))
    assert torch.allclose(y[1:, 0, 0], torch.tensor([-1.0, 1.0]))
    assert norm.running_mean.item() == pytest.approx(0.1 * 2)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 4 / 3)  # unbiased
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_without_padding_is_the_plain_one_bit_for_bit(training):
    torch.manual_seed(0)
    ours, plain = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    assert list(ours.state_dict()) == list(plain.state_dict())
    x = noise(4, 5, 9, dtype=torch.float32)
    full = frames_of(torch.full((4,), 9))
    found = ours.train(training)(x, full)
    assert torch.equal(found, plain.train(training)(x))
    assert torch.equal(ours.running_var, plain.running_var)


def test_batch_norm_works_in_half_precision():
    norm = MaskedBatchNorm(5)
    frames = frames_of(LENS)
    x = noise(4, 5, 9).bfloat16()
    wanted = nn.BatchNorm1d(5)(_gather(x.float(), frames))
    found = _gather(norm(x, frames), frames)
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), wanted, rtol=0, atol=0.03)
