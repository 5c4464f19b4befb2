"""What kinds of models are asked beyond ``encode(speech, lengths)``, and at which rate.

A model of OWSM-CTC wants a prompt, OWSM wants audio of 30 seconds, and the CTC layer of
a stand-alone transducer has another name. :func:`adapt` gives each of them the face of
a model of the ASR task, so that no one else need know.
"""

import argparse
import re
from typing import Any, Dict, Mapping, Optional, Sequence

import torch
from espnet2.asr_transducer.espnet_transducer_model import ESPnetASRTransducerModel
from espnet2.s2t.espnet_ctc_model import ESPnetS2TCTCModel
from espnet2.s2t.espnet_model import ESPnetS2TModel
from humanfriendly import parse_size
from torch import Tensor, nn

from espnet_tutornet.layers.taps import first_tensor
from espnet_tutornet.utils.espnet_task import ADDED, find_prompt, find_task

KHZ_16 = ("default", "s3prl", "huggingface", "whisper", "fused")  # frontends
KHZ_16_ENCODERS = ("whisper", "wav2vec2", "hubert", "avhubert")
LONGEST = 30.0  # seconds that Whisper and OWSM were made for


class PaddedModel:
    """What models share that are asked about audio of one length.

    Attributes:
        samples: all audio is padded to so many.
        shift: samples of one output frame.
    """

    samples: int
    shift: int

    def pad(self, speech: Tensor) -> Tensor:
        """Pad audio (B, S) as in the training: (B, samples)."""
        return nn.functional.pad(speech, (0, self.samples - speech.size(1)))

    def frames(self, speech_lengths: Tensor, most: int) -> Tensor:
        """Count the frames that are audio: (B,)."""
        return (speech_lengths // self.shift).clamp(1, most)


class OwsmTeacher(PaddedModel, ESPnetS2TModel):
    """OWSM, asked about 30 seconds, whose silence behind the audio is cut off."""

    def encode(self, speech: Tensor, speech_lengths: Tensor):
        """Encode audio (B, S), (B,) to (B, T, D), (B,)."""
        check_lengths(self, speech_lengths.tolist())
        lengths = torch.full_like(speech_lengths, self.samples)
        out, _ = super().encode(self.pad(speech), lengths)
        lens = self.frames(speech_lengths, first_tensor(out).size(1))
        return first_tensor(out)[:, : int(lens.max())], lens


class OwsmCtcTeacher(PaddedModel, ESPnetS2TCTCModel):
    """OWSM-CTC with one prompt for all audio, whose frames are dropped.

    Attributes:
        prompt: ids of the tokens of language and task.
    """

    prompt: Sequence[int]

    def encode(self, speech: Tensor, speech_lengths: Tensor):
        """Encode audio (B, S), (B,) to (B, T, D), (B,)."""
        check_lengths(self, speech_lengths.tolist())
        rows, size = len(speech), len(self.prompt)
        before = speech_lengths.new_full((rows, 1), self.na)  # no text before
        prompt = speech_lengths.new_tensor(self.prompt).expand(rows, size)
        out, _ = super().encode(
            self.pad(speech),
            torch.full_like(speech_lengths, self.samples),
            before,
            torch.ones_like(speech_lengths),
            prompt,
            torch.full_like(speech_lengths, size),
        )
        out = first_tensor(out)[:, size:]  # (B, 2 + T, D) -> (B, T, D)
        lens = self.frames(speech_lengths, out.size(1))
        return out[:, : int(lens.max())], lens


class CtcLayer:
    """The CTC layer of a stand-alone transducer, as the ASR task calls it."""

    def __init__(self, ctc_lo: nn.Linear):
        self.ctc_lo = ctc_lo

    def log_softmax(self, hidden: Tensor) -> Tensor:
        """Return log posteriors: (B, T, D) -> (B, T, V)."""
        return self.ctc_lo(hidden).log_softmax(dim=-1)

    def argmax(self, hidden: Tensor) -> Tensor:
        """Return the best tokens: (B, T, D) -> (B, T)."""
        return self.ctc_lo(hidden).argmax(dim=-1)


class TransducerTeacher(ESPnetASRTransducerModel):
    """A model of the task asr_transducer; its CTC layer is there where it had one."""

    blank_id = 0  # reserved

    @property
    def ctc(self) -> Optional[CtcLayer]:
        """The auxiliary CTC layer."""
        return CtcLayer(self.ctc_lin) if self.use_auxiliary_ctc else None


def adapt(model: nn.Module, args: argparse.Namespace) -> None:
    """Let a model be asked as one of the ASR task is.

    Args:
        model: as its task built it; it gets another class, and no new parameter.
        args: content of its config.yaml.

    Raises:
        ValueError: it knows no such language or task.
    """
    conf = vars(args)
    task = find_task(conf)
    rate = sampling_rate(args) or 16000
    if task == "asr_transducer":
        model.__class__ = TransducerTeacher
    elif task in ("s2t", "s2t_ctc"):
        model.__class__ = OwsmTeacher if task == "s2t" else OwsmCtcTeacher
        given = conf.get("preprocessor_conf") or {}
        model.samples = int(given.get("speech_length", LONGEST) * rate)
        model.longest, model.shift = model.samples, _frame_shift(conf)
        model.pads, model.prompt_frames = True, 0
        if task == "s2t_ctc":
            tokens = [model.token_list.index(token) for token in find_prompt(conf)]
            model.prompt, model.prompt_frames = tokens, len(tokens)
    elif "whisper" in (conf.get("encoder"), conf.get("frontend")):
        model.longest = int(LONGEST * rate)
        model.pads = bool((conf.get("encoder_conf") or {}).get("do_pad_trim"))


def check_lengths(
    model: nn.Module, samples: Sequence[int], names: Sequence[str] = ()
) -> None:
    """Refuse audio that is longer than what a model was made for.

    Args:
        model: may have an attribute ``longest``, in samples.
        samples: of each utterance.
        names: of the utterances, where they are known.

    Raises:
        ValueError: some are longer.
    """
    longest = getattr(model, "longest", None)
    if longest is None or max(samples, default=0) <= longest:
        return
    over = [i for i, length in enumerate(samples) if length > longest]
    which = [names[i] if names else f"utterance {i} of the batch" for i in over[:5]]
    raise ValueError(
        f"{', '.join(which)}{' ...' if len(over) > 5 else ''}: too long for the "
        f"teacher, {max(samples)} samples, expected at most {longest} "
        f"({LONGEST:.0f} s in its training). Leave such out: --max_wav_duration of "
        "run.sh (stage 3)."
    )


def padded_to(model: nn.Module) -> int:
    """Return to how many samples a model pads all audio; 0: it does not."""
    return model.longest if getattr(model, "pads", False) else 0


def identity(conf: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a configuration in which the prompt is a part of the encoder's.

    It decides what the teacher says, and so whose outputs a cache holds.
    """
    if find_task(conf) != "s2t_ctc":
        return dict(conf)
    encoder_conf = {**(conf.get("encoder_conf") or {}), "prompt": find_prompt(conf)}
    return {**conf, "encoder_conf": encoder_conf}


def _frame_shift(conf: Mapping[str, Any]) -> int:
    """Return the samples of one output frame of an encoder that subsamples."""
    layer = str((conf.get("encoder_conf") or {}).get("input_layer", "conv2d"))
    match = re.fullmatch(r"conv([12])d(\d*)", layer)
    factor = int(match[2] or 4) if match else 1  # conv2d is by four
    return int((conf.get("frontend_conf") or {}).get("hop_length", 128)) * factor


def sampling_rate(args: argparse.Namespace) -> Optional[int]:
    """Return the sampling rate in Hz that a model hears.

    Args:
        args: content of a config.yaml.

    Returns:
        What ``--teacher_fs`` said; what a key says; what the kind of network was made
        for; None where nothing tells.

    Example:
        >>> sampling_rate(argparse.Namespace(frontend_conf={"fs": "16k"}))
        16000
        >>> sampling_rate(argparse.Namespace(frontend=None, encoder="whisper"))
        16000
    """
    conf = vars(args)
    kinds = conf.get("frontend"), conf.get("encoder")
    made_for = 16000 if kinds[0] in KHZ_16 or kinds[1] in KHZ_16_ENCODERS else None
    if conf.get("preencoder") == "sinc":
        made_for = (conf.get("preencoder_conf") or {}).get("fs", 16000)
    added, frontend_conf = conf.get(ADDED) or {}, conf.get("frontend_conf") or {}
    fs = added.get("fs") or frontend_conf.get("fs", made_for)
    return parse_size(fs) if isinstance(fs, str) else fs


def check_sampling_rates(whose: str, fs: Optional[int], teacher: Optional[int]) -> None:
    """Refuse a teacher that was trained on audio of another rate.

    Args:
        whose: what has the rate ``fs``, in words that the number follows.
        fs: rate of the student or of the corpus in Hz, None where it is not known.
        teacher: rate of the teacher in Hz, None where it is not known.

    Raises:
        ValueError: the rates differ, or that of the teacher is not known.
    """
    if fs is None or fs == teacher:
        return
    if teacher is None:
        raise ValueError(
            "nothing in the teacher's config.yaml tells its sampling rate, expected "
            f"frontend_conf: fs; {whose} {fs}. Give the rate of the audio that it was "
            "trained on: run.sh --teacher_fs 16000."
        )
    raise ValueError(
        "teacher and student hear the same audio, but the teacher was trained at "
        f"{teacher} Hz and {whose} {fs}. Resample the corpus to the teacher's rate, or "
        "bring another teacher."
    )
