"""Activation memory of one forward pass: configurations, and a block in half precision.

    python benchmarks/activations.py --configs CONFIG ... [--vocab_size 29]
    python benchmarks/activations.py

The first counts the bytes that a training's forward pass of untrained networks has
alive at its peak, in float32, by second of audio. The second, without configurations,
takes the last residual block of Jasper DR 10x5 at B = 8 and 16.7 s, forward in training
mode, in float32 and under autocast in bfloat16 and float16, by shapes and types alone.
"""

import argparse
from pathlib import Path

import torch
import yaml
from memory import PeakMemory
from torch._subclasses import FakeTensorMode

from espnet_tutornet.encoder.jasper import BlockConf, JasperBlock
from espnet_tutornet.encoder.masked_conv import Frames
from espnet_tutornet.student.untrained import build_untrained

CONF = Path(__file__).parents[1] / "egs2/librispeech_tutornet/asr1/conf/tuning"
JASPER_DR = CONF / "train_teacher_jasper_dr_10x5.yaml"
FS, BATCH, SECONDS, FRAMES_PER_SECOND = 16000, 8, 16.7, 50


def count_model(path: Path, vocab_size: int) -> None:
    """Print the peak of a whole model's forward pass and task loss."""
    model = build_untrained(path, vocab_size, FS).train()
    seconds = 4
    speech = torch.randn(1, FS * seconds)
    text = torch.randint(2, vocab_size - 1, (1, 2 * seconds))
    lens, text_lens = torch.tensor([FS * seconds]), torch.tensor([2 * seconds])
    with PeakMemory() as memory:
        model(speech, lens, text, text_lens)
    per_second = memory.peak / seconds / 1e6
    print(f"{path.stem}: {per_second:.1f} MB a second of audio in float32")


def count_block() -> None:
    """Print what the last residual block of Jasper DR keeps, by precision."""
    conf = yaml.safe_load(JASPER_DR.read_text())["encoder_conf"]["blocks"]
    blocks = [BlockConf(**block) for block in conf]
    last = max(i for i, block in enumerate(blocks) if block.residual)
    first = min(i for i, block in enumerate(blocks) if block.residual)
    widths = [block.filters for block in blocks[first - 1 : last]]
    frames = int(SECONDS * FRAMES_PER_SECOND)
    lens = torch.linspace(frames, frames // 2, BATCH).long()
    valid = Frames(lens, lens)
    print(f"{blocks[last]}, {len(widths)} residual inputs, B={BATCH}, T={frames}")
    whole = 0
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        half = dtype is not torch.float32
        # tensors with a shape and a type, but without values
        with FakeTensorMode(allow_non_fake_inputs=True):
            block = JasperBlock(widths[-1], blocks[last], False, widths)
            inputs = [torch.zeros(BATCH, frames, w, dtype=dtype) for w in widths]
            with torch.autocast("cpu", dtype=dtype if half else None, enabled=half):
                with PeakMemory() as memory:
                    output, _ = block(inputs[-1], valid, inputs)
        weights = sum(conv.weight.numel() for conv in block.modules() if is_conv(conv))
        copies = 2 * weights if half else 0  # autocast's, of the weights: once a model
        kept = memory.peak - copies
        whole = whole or kept
        print(
            f"{dtype}: {kept / 1e6:.0f} MB, {kept / whole:.3f} of float32, and "
            f"{copies / 1e6:.0f} MB of lowered weights; out comes {output.dtype}"
        )


def is_conv(module: torch.nn.Module) -> bool:
    """Tell whether autocast lowers the module's weights."""
    return isinstance(module, torch.nn.Conv1d)


def main() -> None:
    """Print one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", type=Path, nargs="*", default=[])
    parser.add_argument("--vocab_size", type=int, default=29)
    options = parser.parse_args()
    for path in options.configs:
        count_model(path, options.vocab_size)
    if not options.configs:
        count_block()


if __name__ == "__main__":
    main()
