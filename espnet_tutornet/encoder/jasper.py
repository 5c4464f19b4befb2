"""Jasper and QuartzNet: blocks of 1-D convolutions with residual connections."""

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from torch import Tensor, nn

from espnet_tutornet.encoder.frames import Frames, FramesEncoder
from espnet_tutornet.encoder.masked_conv import (
    MaskedBatchNorm,
    MaskedConv1d,
    masked_relu,
    same_padding,
)
from espnet_tutornet.utils.config import build

RESIDUALS = ("dense", "plain", "none")
NORM_EPS = 1e-3  # as in OpenSeq2Seq and NeMo


@dataclass(frozen=True)
class BlockConf:
    """One block of ``encoder_conf: blocks``.

    Attributes:
        filters: channels of all its convolutions.
        kernel: odd, in frames.
        repeat: convolutions one after the other.
        stride: in frames, of the first convolution.
        dilation: in frames.
        dropout: probability, after every activation.
        residual: whether the block has a residual connection.
        separable: depthwise, then pointwise convolutions; None: as the encoder says.
    """

    filters: int
    kernel: int
    repeat: int = 1
    stride: int = 1
    dilation: int = 1
    dropout: float = 0.0
    residual: bool = False
    separable: Optional[bool] = None

    def __post_init__(self):
        same_padding(self.kernel, self.dilation)
        for key in ("filters", "repeat", "stride", "dilation"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be 1 or more, got {getattr(self, key)}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}.")
        if self.residual and self.stride > 1:
            raise ValueError(
                f"a residual block keeps the frame rate, got stride {self.stride}. "
                "Put the stride into a block of its own."
            )


class ConvNorm(nn.Module):
    """A convolution, full or time-channel separable, and batch norm.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        separable: depthwise, then pointwise.
        where: kernel, stride and dilation, see :class:`MaskedConv1d`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, separable: bool = False, **where: int
    ):
        super().__init__()
        if separable:
            convs = [
                MaskedConv1d(in_channels, in_channels, groups=in_channels, **where),
                MaskedConv1d(in_channels, out_channels),
            ]
        else:
            convs = [MaskedConv1d(in_channels, out_channels, **where)]
        self.convs = nn.ModuleList(convs)
        self.norm = MaskedBatchNorm(out_channels, eps=NORM_EPS)

    def forward(self, x: Tensor, frames: Frames) -> Tuple[Tensor, Frames]:
        """Convolve and normalise (B, C, T)."""
        for conv in self.convs:
            x, frames = conv(x, frames)
        return self.norm(x, frames), frames


class JasperBlock(nn.Module):
    """Convolution, batch norm, ReLU and dropout, ``repeat`` times.

    Each input of the residual connection passes a pointwise convolution and batch norm;
    their sum is added before the last ReLU.

    Args:
        in_channels: width of the block's input.
        conf: the block.
        separable: whether its convolutions are; those of the residual connection never.
        residual_channels: widths of the inputs of the residual connection.
    """

    def __init__(
        self,
        in_channels: int,
        conf: BlockConf,
        separable: bool,
        residual_channels: Sequence[int] = (),
    ):
        super().__init__()
        widths = [in_channels] + [conf.filters] * (conf.repeat - 1)
        strides = [conf.stride] + [1] * (conf.repeat - 1)
        self.convs = nn.ModuleList(
            ConvNorm(
                width,
                conf.filters,
                separable,
                kernel=conf.kernel,
                stride=stride,
                dilation=conf.dilation,
            )
            for width, stride in zip(widths, strides)
        )
        self.residuals = nn.ModuleList(
            ConvNorm(width, conf.filters) for width in residual_channels
        )
        self.dropout = nn.Dropout(conf.dropout)

    def forward(
        self, x: Tensor, frames: Frames, residual_inputs: Sequence[Tensor] = ()
    ) -> Tuple[Tensor, Frames]:
        """Return the output, (B, T, filters), and its frames.

        Args:
            x: (B, T, D), zero in its padding, as the output is.
            frames: those of ``x``.
            residual_inputs: each (B, T, D), in the order of ``residual_channels``.
        """
        x = x.transpose(1, 2)  # (B, T, D) -> (B, D, T)
        for conv in self.convs[:-1]:
            x, frames = conv(x, frames)
            x = self.dropout(masked_relu(x, frames))
        x, frames = self.convs[-1](x, frames)
        for conv, residual in zip(self.residuals, residual_inputs):
            x = x + conv(residual.transpose(1, 2), frames)[0]
        x = self.dropout(masked_relu(x, frames))
        return x.transpose(1, 2), frames  # -> (B, T, D)


class JasperEncoder(FramesEncoder):
    """Jasper B x R, its dense-residual form and QuartzNet, as ``blocks`` say.

    The output of block N is the layer ``encoders.N``, (B, T, D).

    Args:
        input_size: features a frame.
        blocks: mappings with the keys of :class:`BlockConf`, first to last.
        residual: what a block with ``residual: true`` adds: its input (``plain``), the
            inputs of it and of all residual blocks before it (``dense``), or nothing
            (``none``).
        separable: whether blocks that do not say so are separable.

    Raises:
        ValueError: no blocks, an unknown or missing key, a bad value.

    Source:
        Li et al., Jasper, https://arxiv.org/abs/1904.03288; Kriman et al., QuartzNet,
        https://arxiv.org/abs/1910.10261. As in the configurations of OpenSeq2Seq and
        NeMo: no convolution has a bias; a separable one has batch norm after the
        pointwise part alone; every residual input has a pointwise convolution, also
        where widths agree; epsilon 1e-3. With these the parameters are as many as
        published. Ours: masked batch norm, and a stride counts once for all repeats.
    """

    def __init__(
        self,
        input_size: int,
        blocks: Sequence[Mapping[str, Any]],
        residual: str = "dense",
        separable: bool = False,
    ):
        super().__init__()
        if residual not in RESIDUALS:
            raise ValueError(f"residual must be one of {RESIDUALS}, got {residual!r}.")
        if not blocks:
            raise ValueError("blocks is empty, expected one block or more.")
        self.residual = residual
        self.encoders = nn.ModuleList()
        width, carried = input_size, []
        for number, conf in enumerate(blocks):
            block = _block_conf(number, conf)
            if block.stride > 1 and carried:
                raise ValueError(
                    f"blocks[{number}]: stride {block.stride} after a residual block: "
                    "dense residuals need one frame rate. Put strides before the first "
                    "residual block, or choose residual: plain."
                )
            inputs = self._residual_inputs(block.residual, carried, width)
            inner = separable if block.separable is None else block.separable
            self.encoders.append(JasperBlock(width, block, inner, inputs))
            width = block.filters
        self.residual_blocks = [len(b.residuals) > 0 for b in self.encoders]
        self._output_size = width

    def _residual_inputs(self, wanted: bool, carried: List, block_input: Any) -> List:
        """Return what the residual connection takes; ``carried`` keeps dense inputs."""
        if not wanted or self.residual == "none":
            return []
        if self.residual == "plain":
            return [block_input]
        carried.append(block_input)
        return list(carried)

    def encode(self, x: Tensor, frames: Frames) -> Tuple[Tensor, Frames]:
        """Return the output of the last block and its frames."""
        carried: List[Tensor] = []
        for block, wanted in zip(self.encoders, self.residual_blocks):
            inputs = self._residual_inputs(wanted, carried, x)
            x, frames = block(x, frames, inputs)
        return x.contiguous(), frames


def _block_conf(number: int, conf: Mapping[str, Any]) -> BlockConf:
    name = f"blocks[{number}]"
    missing = [key for key in ("filters", "kernel") if key not in conf]
    if missing:
        raise ValueError(f"{name}: {missing} missing, expected filters and kernel.")
    try:
        return build(name, BlockConf, conf)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(name) else f"{name}: {text}") from None
