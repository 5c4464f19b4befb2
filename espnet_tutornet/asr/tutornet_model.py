"""An ESPnet ASR model that also learns from a teacher."""

from typing import Callable, Dict, Optional, Tuple

from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor, nn

from espnet_tutornet.distill.distiller import Distiller
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.layers.taps import encode_with_taps, tap
from espnet_tutornet.layers.transducer_path import has_lattice
from espnet_tutornet.losses import zero_loss
from espnet_tutornet.outputs import StudentOutputs, TeacherOutputs

DISTILLER_PREFIX = "distiller."


class TutorNetASRModel(ESPnetASRModel):
    """ESPnet's ASR model plus distillation terms.

    Without :meth:`set_distillation` it is its parent, parameter names included. With
    it, the adapters live under ``distiller.`` in the state dict; the teacher does not
    live in the module at all. The student's encoder runs forward once a step. An
    utterance whose transcript is empty learns from the teacher alone.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.distiller: Optional[Distiller] = None
        self.teacher: Optional[Callable[..., TeacherOutputs]] = None
        self.task_weight = 1.0
        self.frame_shift = 0.0
        self._encoded: Optional[tuple] = None

    def set_distillation(
        self,
        distiller: Distiller,
        teacher: Callable[..., TeacherOutputs],
        task_weight: float = 1.0,
    ) -> None:
        """Hand the model its terms and its teacher.

        Args:
            distiller: the weighted terms; trained along, dropped at export.
            teacher: called with the batch: ``speech``, ``speech_lengths`` and the
                further streams.
            task_weight: factor of ESPnet's own loss; 0.0 skips it in training (the RKD
                stage: no CTC, no decoder) and, with SKD, reports it in validation.

        Raises:
            ValueError: a negative weight, or a term that reads what the student lacks.
        """
        if task_weight < 0.0:
            raise ValueError(f"task_weight must be >= 0, got {task_weight}.")
        if distiller.needs_decoder and (
            self.decoder is None or self.use_transducer_decoder or task_weight == 0.0
        ):
            raise ValueError(
                "the term decoder matches the attention decoder's posteriors, but the "
                "student has none (decoder, ctc_weight: 1.0) or does not run it "
                "(task_weight: 0.0). Give it one and a task_weight, or remove the term."
            )
        if distiller.needs_lattice and (not has_lattice(self) or task_weight == 0.0):
            raise ValueError(
                "the term transducer matches lattices, but the student has no joint "
                "network (expected decoder: transducer, of one blank) or does not run "
                "it (task_weight: 0.0). Give it one and a task_weight, or remove the "
                "term."
            )
        reads_ctc = distiller.needs_logits or distiller.needs_head_logits
        if reads_ctc and self.ctc is None:
            raise ValueError(
                "skd and sequence read CTC outputs, but the student has no CTC branch "
                "(ctc_weight: 0.0). Set model_conf: ctc_weight above 0, or remove skd "
                "and sequence."
            )
        self.distiller, self.teacher = distiller, teacher
        self.task_weight = task_weight
        self.frame_shift = probe_model(self).frame_shift

    def encode(self, speech: Tensor, speech_lengths: Tensor):
        """Encode as the parent does and keep what the terms need."""
        if self.distiller is None:
            return super().encode(speech, speech_lengths)
        encoder_out, lens, hidden = encode_with_taps(
            super().encode,
            self.encoder,
            self.distiller.student_layers,
            speech,
            speech_lengths,
        )
        self._encoded = (lens, hidden)
        return encoder_out, lens

    def forward(
        self,
        speech: Tensor,
        speech_lengths: Tensor,
        text: Tensor,
        text_lengths: Tensor,
        **kwargs,
    ) -> Tuple[Tensor, Dict[str, Tensor], Tensor]:
        """Compute ``task_weight * task loss + sum of weight * term``.

        Args:
            speech: (B, S) samples.
            speech_lengths: (B,).
            text: (B, L) token ids, padded with ``ignore_id``.
            text_lengths: (B,).
            kwargs: ``utt_id`` and further streams, as in the parent.

        Returns:
            loss, stats (the parent's, ``loss_<term>`` before its weight, ``loss`` the
            sum), weight (B).
        """
        if self.distiller is None:
            return super().forward(speech, speech_lengths, text, text_lengths, **kwargs)
        # before the student: what the teacher needs is freed when the graph grows
        batch = dict(kwargs, speech=speech, speech_lengths=speech_lengths)
        taught = self.teacher(dict(batch, text=text, text_lengths=text_lengths))
        needs_logits = self.distiller.needs_logits
        # the task computes its logits once: read them, do not compute them again
        names = ["ctc.ctc_lo"] * needs_logits
        names += ["decoder"] * self.distiller.needs_decoder
        names += ["joint_network"] * self.distiller.needs_lattice
        with tap(self, names) as outputs:
            # checkpoints of a label-free training are chosen as those of all others
            if self.task_weight > 0.0 or (needs_logits and not self.training):
                task_loss, stats, _ = super().forward(
                    speech, speech_lengths, text, text_lengths, **kwargs
                )
            else:
                self.encode(speech, speech_lengths)
                task_loss, stats = 0.0, {}
                if needs_logits:
                    self.ctc.ctc_lo(self._encoded[1]["last"])
        lens, hidden = self._encoded
        self._encoded = None  # let go of the graph
        logits, head_logits = outputs.get("ctc.ctc_lo"), None
        if self.distiller.needs_head_logits:
            head_logits = self.ctc.ctc_lo(hidden["last"].detach())
        decoded = _decoded(outputs.get("decoder"), text_lengths)
        ctc = (logits, self.frame_shift, head_logits)
        spoken = (text, text_lengths, outputs.get("joint_network"))
        student = StudentOutputs(lens, hidden, *ctc, *decoded, *spoken)
        distillation, terms = self.distiller(student, taught)
        loss = distillation
        if self.task_weight > 0.0:
            loss = loss + self.task_weight * task_loss
        stats = {**stats, **terms, "loss": loss.detach()}
        return force_gatherable((loss, stats, speech.size(0)), speech.device)

    def _calc_ctc_loss(self, encoder_out, encoder_out_lens, ys_pad, ys_pad_lens):
        given = (encoder_out, encoder_out_lens, ys_pad, ys_pad_lens)
        return self._of_labelled(super()._calc_ctc_loss, (None,), self.ctc, *given)

    def _calc_att_loss(self, encoder_out, encoder_out_lens, ys_pad, ys_pad_lens):
        given = (encoder_out, encoder_out_lens, ys_pad, ys_pad_lens)
        # accuracy 0, not None: processes of one training must report the same names
        stats = (encoder_out.new_zeros(()), None, None)
        return self._of_labelled(super()._calc_att_loss, stats, self.decoder, *given)

    def _calc_transducer_loss(self, encoder_out, encoder_out_lens, labels):
        if self.distiller is not None and bool((labels == self.ignore_id).all(1).any()):
            raise ValueError(
                "an utterance without a transcript reached a transducer student: only "
                "CTC and attention losses leave such utterances out. Remove it."
            )
        return super()._calc_transducer_loss(encoder_out, encoder_out_lens, labels)

    def _of_labelled(
        self,
        calculate: Callable,
        stats_without: tuple,
        module: nn.Module,
        encoder_out: Tensor,
        encoder_out_lens: Tensor,
        ys_pad: Tensor,
        ys_pad_lens: Tensor,
    ):
        """Take the task loss of utterances with a transcript, averaged over all B.

        An utterance without one (``ys_pad_lens`` 0) learns from the teacher alone, and
        every utterance counts the same wherever it is: its batch divides by B.
        """
        labelled = ys_pad_lens > 0
        if self.distiller is None or bool(labelled.all()):
            return calculate(encoder_out, encoder_out_lens, ys_pad, ys_pad_lens)
        if self.distiller.needs_logits:
            # SKD reads the output layer's first call: let it see all utterances
            self.ctc.ctc_lo(encoder_out)
        if not bool(labelled.any()):
            # with a gradient, zero, for all: DistributedDataParallel waits for each
            return (zero_loss(encoder_out, *module.parameters()), *stats_without)
        longest = int(ys_pad_lens.max())
        loss, *stats = calculate(
            encoder_out[labelled],
            encoder_out_lens[labelled],
            ys_pad[labelled, :longest],
            ys_pad_lens[labelled],
        )
        return (loss * labelled.float().mean(), *stats)


def _decoded(logits: Optional[Tensor], text_lengths: Tensor):
    """Return decoder logits (B, L + 1, V) and their lengths (B,).

    The decoder ran on the utterances with a transcript alone; the rest get zeros.
    """
    if logits is None:
        return None, None
    labelled = text_lengths > 0
    if not bool(labelled.all()):
        spread = logits.new_zeros(len(labelled), *logits.shape[1:])
        logits = spread.index_put((labelled.nonzero()[:, 0],), logits)
    return logits, (text_lengths + 1).masked_fill(~labelled, 0)


def student_state_dict(state_dict: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Drop what distillation added: what remains is a stock ESPnet model's.

    Example:
        >>> list(student_state_dict({"encoder.w": 0, "distiller.terms.rkd.w": 1}))
        ['encoder.w']
    """
    return {
        name: value
        for name, value in state_dict.items()
        if not name.startswith(DISTILLER_PREFIX)
    }
