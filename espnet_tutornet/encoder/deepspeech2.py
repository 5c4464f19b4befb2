"""DeepSpeech2: 2-D convolutions, recurrent layers, a fully connected one."""

from typing import Tuple

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from espnet_tutornet.encoder.frames import Frames, FramesEncoder
from espnet_tutornet.encoder.masked_conv import (
    MaskedBatchNorm,
    MaskedConv2d,
    masked_relu,
)
from espnet_tutornet.utils.config import choose

RNN_TYPES = {"gru": nn.GRU, "lstm": nn.LSTM}
KERNELS = ((11, 41), (11, 21))  # (frames, frequencies)
STRIDES = ((2, 2), (1, 2))
NORM_EPS = 1e-3  # as in OpenSeq2Seq


class ConvFrontEnd(nn.Module):
    """Two 2-D convolutions with batch norm and ReLU; halves the frame rate.

    Args:
        input_size: features a frame, F.
        channels: of either convolution.
    """

    def __init__(self, input_size: int, channels: int):
        super().__init__()
        self.convs = nn.ModuleList(
            MaskedConv2d(width, channels, kernel, stride)
            for width, kernel, stride in zip((1, channels), KERNELS, STRIDES)
        )
        self.norms = nn.ModuleList(
            MaskedBatchNorm(channels, eps=NORM_EPS) for _ in KERNELS
        )
        self.output_size = channels * -(-input_size // 4)  # ceil, both halve F

    def forward(self, x: Tensor, frames: Frames) -> Tuple[Tensor, Frames]:
        """Return the output, (B, ceil(T / 2), D), and its frames, given (B, T, F)."""
        x = x.unsqueeze(1)  # (B, T, F) -> (B, C, T, F)
        for conv, norm in zip(self.convs, self.norms):
            x, frames = conv(x, frames)
            x = masked_relu(norm(x, frames), frames)
        return x.transpose(1, 2).flatten(2), frames  # -> (B, T, C, F) -> (B, T, D)


class RecurrentLayer(nn.Module):
    """One recurrent layer over a padded batch; its padding comes out zero.

    Args:
        rnn: nn.GRU or nn.LSTM, a class.
        input_size: D of the input.
        hidden_size: units a direction.
        bidirectional: whether it also runs backwards.
        dropout: probability, on the input.
    """

    def __init__(
        self,
        rnn: type,
        input_size: int,
        hidden_size: int,
        bidirectional: bool,
        dropout: float,
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.rnn = rnn(
            input_size, hidden_size, batch_first=True, bidirectional=bidirectional
        )

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """Return (B, T, D) for (B, T, D)."""
        packed = pack_padded_sequence(
            self.dropout(x), frames.host_lens, batch_first=True, enforce_sorted=False
        )
        return pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]


class DeepSpeech2Encoder(FramesEncoder):
    """DeepSpeech2 as OpenSeq2Seq configures it; one output frame for two of the input.

    Layers, (B, T, D) each: ``embed``, the output of the convolutions, and
    ``encoders.N``, that of recurrent layer N.

    Args:
        input_size: features a frame.
        conv_channels: of both convolutions.
        rnn_type: ``gru`` or ``lstm``.
        bidirectional: whether recurrent layers also run backwards.
        num_layers: recurrent layers.
        hidden_size: their units a direction.
        output_size: units of the fully connected layer.
        dropout: probability, between recurrent layers and after the last layer.

    Raises:
        ValueError: a bad value.

    Source:
        Amodei et al., Deep Speech 2, https://arxiv.org/abs/1512.02595, in the form of
        OpenSeq2Seq's "large" configuration: no look-ahead ("row") convolution, no batch
        norm in the recurrent layers, which are cuDNN's (two biases a gate), no bias in
        the convolutions, epsilon 1e-3. With these the parameters are as many as there.
        Ours: masked batch norm.
    """

    def __init__(
        self,
        input_size: int,
        conv_channels: int = 32,
        rnn_type: str = "gru",
        bidirectional: bool = True,
        num_layers: int = 5,
        hidden_size: int = 800,
        output_size: int = 1600,
        dropout: float = 0.5,
    ):
        super().__init__()
        rnn = choose("rnn_type", RNN_TYPES, rnn_type)
        if num_layers < 1:
            raise ValueError(f"num_layers must be 1 or more, got {num_layers}.")
        self.embed = ConvFrontEnd(input_size, conv_channels)
        width = hidden_size * (2 if bidirectional else 1)
        widths = [self.embed.output_size] + [width] * (num_layers - 1)
        self.encoders = nn.ModuleList(
            RecurrentLayer(rnn, size, hidden_size, bidirectional, dropout if n else 0.0)
            for n, size in enumerate(widths)
        )
        self.output = nn.Sequential(
            nn.Linear(width, output_size), nn.ReLU(), nn.Dropout(dropout)
        )
        self._output_size = output_size

    def encode(self, x: Tensor, frames: Frames) -> Tuple[Tensor, Frames]:
        """Return the output, (B, ceil(T / 2), D), and its frames."""
        x, frames = self.embed(x, frames)
        for layer in self.encoders:
            x = layer(x, frames)
        return self.output(x), frames
