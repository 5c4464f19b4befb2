"""A frozen ESPnet model that is asked at every step."""

from pathlib import Path
from typing import Iterable, Mapping, Optional, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from torch import Tensor

from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.layers.taps import encode_with_taps
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.teacher.loading import load_model, sampling_rate


class OnlineTeacher:
    """Run a frozen teacher on the student's batch.

    Not an ``nn.Module``: held by the student it stays out of the student's parameters,
    optimizer, checkpoints, averages and DDP. The model stays in eval mode, so that it
    hears the utterance without SpecAug or dropout.

    Args:
        model: a trained ESPnet ASR model.
        layers: encoder layers to report; ``last`` is the encoder's output.
        use_posteriors: also report the CTC posteriors.

    Raises:
        ValueError: unknown layer; posteriors asked of a model without CTC.
    """

    def __init__(
        self,
        model: ESPnetASRModel,
        layers: Iterable[str] = ("last",),
        use_posteriors: bool = True,
    ):
        self.model = model.requires_grad_(False).eval()
        self.layers = tuple(layers)
        self.use_posteriors = use_posteriors
        if use_posteriors and model.ctc is None:
            raise ValueError(
                "the teacher has no CTC branch (ctc_weight 0.0), expected one: SKD and "
                "the frame weights nonblank, peak, mask and entropy read its CTC "
                "posteriors. Choose another teacher, or RKD with frame_weights: none."
            )
        probe = probe_model(model, self.layers)
        self.frame_shift, self.sizes = probe.frame_shift, probe.sizes
        self.fs: Optional[int] = None  # Hz; from_files knows it
        self.token_list, self.blank_id = list(model.token_list), model.blank_id

    @classmethod
    def from_files(
        cls, config: Union[str, Path], model: Union[str, Path], **kwargs
    ) -> "OnlineTeacher":
        """Load the teacher of ESPnet's ``config`` (yaml) and ``model`` (pth)."""
        loaded, args = load_model(config, model)
        teacher = cls(loaded, **kwargs)
        teacher.fs = sampling_rate(args)
        return teacher

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> TeacherOutputs:
        """Listen to a batch.

        Args:
            batch: ``speech`` (B, S) samples and ``speech_lengths`` (B,).

        Returns:
            What the teacher says of it, without a graph.
        """
        speech, speech_lengths = batch["speech"], batch["speech_lengths"]
        if next(self.model.parameters()).device != speech.device:
            self.model.to(speech.device)
        _, lens, hidden = encode_with_taps(
            self.model.encode, self.model.encoder, self.layers, speech, speech_lengths
        )
        log_probs = None
        if self.use_posteriors:
            log_probs = self.model.ctc.log_softmax(hidden["last"])
        kept = {name: hidden[name] for name in self.layers}
        return TeacherOutputs(lens, kept, log_probs, self.frame_shift)
