"""A frozen ESPnet model that is asked at every step."""

import logging
from pathlib import Path
from typing import Iterable, Mapping, Optional, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel, add_sos_eos
from torch import Tensor

from espnet_tutornet.layers.independence import (
    MASKED,
    STOCK,
    UNPADDED,
    encode_in_batch,
    encode_without_padding,
    find_padding_rule,
)
from espnet_tutornet.layers.padding import mask_padding
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.layers.transducer_path import has_lattice, read_path
from espnet_tutornet.outputs import LatticePath, TeacherOutputs
from espnet_tutornet.teacher.kinds import check_lengths, sampling_rate
from espnet_tutornet.teacher.loading import load_model

PADDING = {  # what the log says of how a teacher is asked
    MASKED: "no utterance hears the padding of its batch",
    UNPADDED: "the teacher hears padding: utterances of one length are asked together",
    STOCK: "utterances hear the padding of their batches, as ESPnet has it",
}


class OnlineTeacher:
    """Run a frozen teacher on the student's batch.

    Not an ``nn.Module``: held by the student it stays out of the student's parameters,
    optimizer, checkpoints, averages and DDP. The model stays in eval mode, so that it
    hears the utterance without SpecAug or dropout. What it says of an utterance does
    not depend on the batch: padded frames are masked, or, where a network cannot be
    made to ignore them, utterances of one length are asked together.

    Args:
        model: a trained ESPnet ASR model.
        layers: encoder layers to report; ``last`` is the encoder's output.
        use_posteriors: also report the CTC posteriors.
        use_decoder: also report the attention decoder's posteriors of the transcript.
        use_lattice: also report the best path of a transducer's lattice.
        masked: False asks in padded batches whatever that changes, as ESPnet does.

    Attributes:
        padding: ``masked``, ``unpadded``, or ``stock`` where ``masked`` is False.

    Raises:
        ValueError: unknown layer; what is asked of a model without CTC, attention
            decoder or joint network; outputs that depend on the batch in any case.
    """

    def __init__(
        self,
        model: ESPnetASRModel,
        layers: Iterable[str] = ("last",),
        use_posteriors: bool = True,
        use_decoder: bool = False,
        masked: bool = True,
        use_lattice: bool = False,
    ):
        self.model = model.requires_grad_(False).eval()
        self.layers = tuple(layers)
        self.use_posteriors, self.use_decoder = use_posteriors, use_decoder
        self.use_lattice = use_lattice
        if use_posteriors and model.ctc is None:
            raise ValueError(
                "the teacher has no CTC branch (ctc_weight 0.0), expected one: SKD and "
                "the frame weights nonblank, peak, mask and entropy read its CTC "
                "posteriors. Choose another teacher, or RKD with frame_weights: none."
            )
        if use_decoder and not has_attention_decoder(model):
            raise ValueError(
                "the teacher has no attention decoder, expected one: the term decoder "
                "reads its posteriors. Choose a hybrid teacher, or remove the term."
            )
        if use_lattice and not has_lattice(model):
            raise ValueError(
                "the teacher has no joint network, or blanks of several frames, "
                "expected a transducer of one blank: the term transducer reads its "
                "lattice. Choose such a teacher, or remove the term."
            )
        probe = probe_model(model, self.layers)
        self.frame_shift, self.sizes = probe.frame_shift, probe.sizes
        self.padding = STOCK
        if masked:
            if model.encoder is not None:
                mask_padding(model.encoder)
            self.padding = find_padding_rule(model, self.layers, self.frame_shift)
        self.fs: Optional[int] = None  # Hz; from_files knows it
        # Mask-CTC has a token that its CTC layer does not
        width = model.ctc.ctc_lo.out_features if model.ctc is not None else None
        self.token_list, self.blank_id = model.token_list[:width], model.blank_id

    @classmethod
    def from_files(
        cls, config: Union[str, Path], model: Union[str, Path], **kwargs
    ) -> "OnlineTeacher":
        """Load the teacher of ESPnet's ``config`` (yaml) and ``model`` (pth)."""
        loaded, args = load_model(config, model)
        teacher = cls(loaded, **kwargs)
        teacher.fs = sampling_rate(args)
        logging.info("%s: %s", model, PADDING[teacher.padding])
        return teacher

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> TeacherOutputs:
        """Listen to a batch.

        Args:
            batch: ``speech`` (B, S) samples and ``speech_lengths`` (B,); for the
                decoder and the lattice also ``text`` (B, L), ``text_lengths`` (B,).

        Returns:
            What the teacher says of it, without a graph.
        """
        speech, speech_lengths = batch["speech"], batch["speech_lengths"]
        if next(self.model.parameters()).device != speech.device:
            self.model.to(speech.device)
        check_lengths(self.model, speech_lengths.tolist(), batch.get("utt_id", ()))
        unpadded = self.padding == UNPADDED
        encode = encode_without_padding if unpadded else encode_in_batch
        devices = [speech.device] if speech.is_cuda else []
        # some encoders draw random numbers, which are the student's
        with torch.random.fork_rng(devices=devices):
            lens, hidden = encode(self.model, self.layers, speech, speech_lengths)
        log_probs = None
        if self.use_posteriors:
            log_probs = self.model.ctc.log_softmax(hidden["last"])
        kept = {name: hidden[name] for name in self.layers}
        decoded = (
            self._decode(hidden["last"], lens, batch) if self.use_decoder else None
        )
        path = None
        if self.use_lattice:
            found = read_path(self.model, hidden["last"], lens, batch)
            path = LatticePath(*found)
        return TeacherOutputs(lens, kept, log_probs, self.frame_shift, decoded, path)

    def _decode(
        self, encoder_out: Tensor, lens: Tensor, batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Read the transcript along: (B, L + 1, V)."""
        model, lengths = self.model, batch["text_lengths"]
        text = batch["text"][:, : int(lengths.max())]
        text, _ = add_sos_eos(text, model.sos, model.eos, model.ignore_id)
        decoder_out, _ = model.decoder(encoder_out, lens, text, lengths + 1)
        return decoder_out.float().log_softmax(dim=-1)


def has_attention_decoder(model: ESPnetASRModel) -> bool:
    """Whether the model has a decoder that attends and writes word by word.

    Those of transducers and of Mask-CTC do not. OWSM's wants a prompt.
    """
    if not isinstance(model, ESPnetASRModel) or model.decoder is None:
        return False
    return not model.use_transducer_decoder and not hasattr(model, "mask_token")
