"""What masks cost our encoders: training steps against plain torch without masks.

    python benchmarks/encoders.py [--rounds 7] [--batch 8] [--frames 400]

(forward and backward of an encoder of ours over a padded batch) / (the same network
without masks: nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, and one packed
nn.GRU or nn.LSTM of all layers). Lengths fall evenly from all frames to half of them.
Steps alternate, and the median over the rounds of their ratio is printed. Time is that
of the process on the CPU: other work on the machine touches it less.
"""

import argparse
import statistics
import time
from typing import Callable, Dict

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from espnet_tutornet.encoder.deepspeech2 import KERNELS, STRIDES, DeepSpeech2Encoder
from espnet_tutornet.encoder.jasper import JasperEncoder

MELS = 64
PROLOGUE = dict(filters=256, kernel=11, stride=2)
BLOCK = dict(filters=256, kernel=11, repeat=2, residual=True)
BLOCKS = [PROLOGUE, *[BLOCK] * 4]
JASPERS = {  # name -> residual, separable
    "jasper, dense": ("dense", False),
    "jasper, separable": ("plain", True),
}
DEEPSPEECH2 = dict(num_layers=3, hidden_size=256, output_size=512)


def conv_norm(width: int, conf: dict, stride: int, separable: bool) -> nn.Sequential:
    """Return a convolution without masks, and batch norm."""
    kernel, filters = conf["kernel"], conf["filters"]
    where = dict(kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False)
    if separable:
        convs = [
            nn.Conv1d(width, width, groups=width, **where),
            nn.Conv1d(width, filters, 1, bias=False),
        ]
    else:
        convs = [nn.Conv1d(width, filters, **where)]
    return nn.Sequential(*convs, nn.BatchNorm1d(filters))


class PlainJasper(nn.Module):
    """Jasper without masks, (B, C, T) throughout."""

    def __init__(self, residual: str, separable: bool):
        super().__init__()
        self.blocks, self.residuals = nn.ModuleList(), nn.ModuleList()
        self.kept = 1 if residual == "plain" else len(BLOCKS)  # inputs of a residual
        width, widths = MELS, []
        for conf in BLOCKS:
            layers = []
            widths += [width] if conf.get("residual") else []
            point = dict(filters=conf["filters"], kernel=1)
            taken = widths[-self.kept :] if conf.get("residual") else []
            self.residuals.append(
                nn.ModuleList(conv_norm(w, point, 1, False) for w in taken)
            )
            for number in range(conf.get("repeat", 1)):
                layers += [nn.ReLU()] if number else []
                layers += [conv_norm(width, conf, conf.get("stride", 1), separable)]
                width = conf["filters"]
            self.blocks.append(nn.Sequential(*layers))

    def forward(self, x, lens):
        """Encode (B, T, D)."""
        x, inputs = x.transpose(1, 2), []
        for block, residuals in zip(self.blocks, self.residuals):
            inputs += [x] if len(residuals) else []
            x = block(x)
            for conv, residual in zip(residuals, inputs[-self.kept :]):
                x = x + conv(residual)
            x = x.relu()
        return x.transpose(1, 2)


class PlainDeepSpeech2(nn.Module):
    """DeepSpeech2 without masks, its recurrent layers one module."""

    def __init__(self, rnn: type, num_layers: int, hidden_size: int, output_size: int):
        super().__init__()
        layers = []
        for width, kernel, stride in zip((1, 32), KERNELS, STRIDES):
            padding = tuple(size // 2 for size in kernel)
            layers += [nn.Conv2d(width, 32, kernel, stride, padding, bias=False)]
            layers += [nn.BatchNorm2d(32), nn.ReLU()]
        self.convs = nn.Sequential(*layers)
        self.rnn = rnn(
            32 * MELS // 4,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=0.5,
            bidirectional=True,
        )
        self.output = nn.Linear(2 * hidden_size, output_size)

    def forward(self, x, lens):
        """Encode (B, T, D)."""
        x = self.convs(x.unsqueeze(1)).transpose(1, 2).flatten(2)
        lens = (lens + 1) // 2
        packed = pack_padded_sequence(x, lens, batch_first=True, enforce_sorted=False)
        x = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]
        return nn.functional.dropout(self.output(x).relu(), 0.5, self.training)


def step(encoder: nn.Module, x: torch.Tensor, lens: torch.Tensor) -> Callable:
    """Return a function that runs forward and backward."""

    def run():
        output = encoder(x, lens)
        output = output[0] if isinstance(output, tuple) else output
        output.square().mean().backward()
        encoder.zero_grad(set_to_none=True)

    return run


def cpu_seconds(run: Callable) -> float:
    """Return the seconds that ``run()`` takes of the CPU."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Print a ratio for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=400)
    options = parser.parse_args()
    torch.manual_seed(0)
    x = torch.randn(options.batch, options.frames, MELS)
    lens = torch.linspace(options.frames, options.frames // 2, options.batch).long()
    pairs: Dict[str, tuple] = {
        name: (JasperEncoder(MELS, BLOCKS, *form), PlainJasper(*form))
        for name, form in JASPERS.items()
    }
    for name, rnn in (("gru", nn.GRU), ("lstm", nn.LSTM)):
        pairs[f"deepspeech2, {name}"] = (
            DeepSpeech2Encoder(MELS, rnn_type=name, **DEEPSPEECH2),
            PlainDeepSpeech2(rnn, **DEEPSPEECH2),
        )
    print(f"B={options.batch}, T={options.frames}, {torch.get_num_threads()} threads")
    for name, (ours, plain) in pairs.items():
        sizes = [sum(p.numel() for p in net.parameters()) for net in (ours, plain)]
        assert sizes[0] == sizes[1], (name, sizes)
        steps = step(ours, x, lens), step(plain, x, lens)
        times = [[cpu_seconds(run) for run in steps] for _ in range(options.rounds + 1)]
        times = times[1:]  # the first round warms up
        mine, its = (statistics.median(column) for column in zip(*times))
        ratio = statistics.median(a / b for a, b in times)
        print(
            f"{name:18s} {sizes[0] / 1e6:5.2f} M  ours {mine:.3f} s, plain "
            f"{its:.3f} s, ratio {ratio:.3f}"
        )


if __name__ == "__main__":
    main()
