"""The transducer loss that ESPnet looks for, where its package is not installed.

ESPnet takes ``RNNTLoss`` out of ``warprnnt_pytorch``, which no registry has: one
compiles it. torchaudio computes the same loss.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Optional

import torch
from torch import Tensor, nn

PACKAGE = "warprnnt_pytorch"  # the name that ESPnet imports
REDUCTIONS = ("mean", "sum", "none")


class RNNTLoss(nn.Module):
    """Minus the log probability of the labels, over all alignments, by torchaudio.

    Args:
        blank: index of ``<blank>`` in V.
        reduction: over utterances: ``mean``, ``sum`` or ``none``.
        fastemit_lambda: weight of FastEmit, which torchaudio does not have: 0.0.

    Raises:
        ValueError: another reduction, or FastEmit.

    Source:
        Graves, arXiv 1211.3711.

    Example:
        >>> logits = torch.zeros(1, 1, 2, 2)  # one frame: the label 1, then blank
        >>> lens = torch.tensor([1], dtype=torch.int32)
        >>> loss = RNNTLoss()(logits, torch.ones(1, 1, dtype=torch.int32), lens, lens)
        >>> round(float((-loss).exp()), 4)
        0.25
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", fastemit_lambda: float = 0.0
    ):
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"reduction must be one of {REDUCTIONS}, got {reduction!r}."
            )
        if fastemit_lambda != 0.0:
            raise ValueError(
                f"fastemit_lambda must be 0.0, got {fastemit_lambda}: torchaudio, "
                f"which stands in for {PACKAGE}, has no FastEmit. Remove it, or "
                f"install {PACKAGE}."
            )
        self.blank, self.reduction = blank, reduction

    def forward(
        self, logits: Tensor, labels: Tensor, logit_lens: Tensor, label_lens: Tensor
    ) -> Tensor:
        """Compute the loss, in float32.

        Args:
            logits: (B, T, L + 1, V) before the softmax.
            labels: (B, L) token ids; padding may hold any of V.
            logit_lens: (B,) valid frames.
            label_lens: (B,) valid labels.

        Returns:
            Scalar; (B,) with the reduction ``none``.
        """
        from torchaudio.functional import rnnt_loss

        frames, tokens = int(logit_lens.max()), int(label_lens.max())
        # torchaudio wants no frame and no label more than the longest utterance has
        cut = logits[:, :frames, : tokens + 1].float().contiguous()
        return rnnt_loss(
            cut,
            labels[:, :tokens].to(torch.int32).contiguous(),
            logit_lens.to(torch.int32),
            label_lens.to(torch.int32),
            blank=self.blank,
            reduction=self.reduction,
        )


def provide_rnnt_loss(decoder: Optional[str]) -> None:
    """Let ESPnet find a transducer loss, if it is going to build a transducer.

    An installed ``warprnnt_pytorch`` stays what it is.

    Args:
        decoder: of the configuration.
    """
    if decoder != "transducer" or PACKAGE in sys.modules or find_spec(PACKAGE):
        return
    module = ModuleType(PACKAGE, "torchaudio's transducer loss under another name.")
    module.RNNTLoss = RNNTLoss  # type: ignore[attr-defined]
    sys.modules[PACKAGE] = module
