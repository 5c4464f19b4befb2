"""Teachers of Hugging Face's transformers: wav2vec2, HuBERT, WavLM, Whisper's encoder.

:func:`take_over` writes a snapshot as a ``config.yaml`` with ESPnet's keys and a
``model.pth`` of tensors: the encoder, and the CTC head where there is one. From there
on nobody asks whose the model was. Code that a snapshot brings is never run.
"""

from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import torch
import yaml
from espnet2.asr.encoder.linear_encoder import TooShortUttError
from torch import Tensor, nn

from espnet_tutornet.losses.masking import make_pad_mask
from espnet_tutornet.teacher.kinds import CtcLayer, PaddedModel
from espnet_tutornet.teacher.names import load_strictly
from espnet_tutornet.teacher.safe_load import load_parameters
from espnet_tutornet.utils.extras import needs_extra
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.snapshot import (
    HINT,
    WHISPER,
    describe_snapshot,
    network_of,
    read_token_list,
)
from espnet_tutornet.utils.trained import CONFIG

# model_type -> what the names of the encoder's parameters begin with, in full models
# and in bare ones
PREFIXES = {
    "wav2vec2": ("wav2vec2.", ""),
    "hubert": ("hubert.", ""),
    "wavlm": ("wavlm.", ""),
    WHISPER: ("model.encoder.", "encoder."),
}
HEAD = "lm_head."
RENAMED = {  # by torch, what weight norm is made of
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}
UNUSED = "network.masked_spec_embed"  # of training alone; some snapshots lack it
SAFE = ("model.safetensors", "model-*-of-*.safetensors")
BINARY = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")
WHAT = "a teacher of Hugging Face's"


class Waveform(nn.Module):
    """Samples as they are, or of mean 0 and variance 1 in each utterance."""

    def __init__(self, do_normalize: bool):
        super().__init__()
        self.do_normalize = do_normalize

    def forward(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, S) samples, zeros in their padding."""
        padding = make_pad_mask(lengths, speech.size(1))
        speech = speech.float().masked_fill(padding, 0.0)
        if not self.do_normalize:
            return speech
        count = lengths.unsqueeze(1)
        speech = (speech - speech.sum(1, keepdim=True) / count).masked_fill(padding, 0)
        variance = speech.square().sum(1, keepdim=True) / count
        return speech / (variance + 1e-7).sqrt()  # as transformers has it


class LogMel(nn.Module):
    """Whisper's logarithmic mel spectrum, (B, S) to (B, mels, S / hop)."""

    def __init__(self, fs: int, n_mels: int, n_fft: int, hop_length: int):
        super().__init__()
        from transformers import WhisperFeatureExtractor

        made = WhisperFeatureExtractor(n_mels, fs, hop_length, n_fft=n_fft)
        filters = torch.as_tensor(made.mel_filters, dtype=torch.float32)
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("filters", filters, persistent=False)
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window, persistent=False)

    def forward(self, speech: Tensor) -> Tensor:
        """Return the spectrum, 8 decades deep, around 0."""
        how = (self.n_fft, self.hop_length)
        spectrum = torch.stft(
            speech.float(), *how, window=self.window, return_complex=True
        )
        power = spectrum[..., :-1].abs().square()  # (B, F, S / hop)
        mel = (self.filters.T @ power).clamp_min(1e-10).log10()
        return (mel.maximum(mel.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


class HuggingFaceTeacher(PaddedModel, nn.Module):
    """A network of transformers with the face of a model of ESPnet's ASR task.

    Layers to tap are named as in transformers: ``layers.3`` is the fourth block.

    Args:
        conf: content of the config.yaml that :func:`take_over` wrote.

    Raises:
        RuntimeError: transformers is not installed.
    """

    blank_id = 0  # take_over puts it there

    def __init__(self, conf: Mapping[str, Any]):
        super().__init__()
        front, self.token_list = dict(conf["frontend_conf"]), conf["token_list"]
        fs = front.pop("fs")
        with needs_extra("hf", WHAT), torch.random.fork_rng(devices=[]):
            self.network = _build_network(conf["encoder_conf"])
            own = self.network.config
            self.is_whisper = conf["encoder"] == WHISPER
            self.frontend = (
                LogMel(fs, **front) if self.is_whisper else Waveform(**front)
            )
            size, width = len(self.token_list), own.hidden_size
            self.ctc_lo = nn.Linear(width, size) if size else None
        if self.is_whisper:
            self.shift = 2 * self.frontend.hop_length  # its second convolution's stride
            self.samples = self.longest = own.max_source_positions * self.shift
            self.pads, self.prompt_frames = True, 0

    @property
    def encoder(self) -> nn.Module:
        """What has the layers."""
        return self.network if self.is_whisper else self.network.encoder

    @property
    def ctc(self):
        """The CTC head, None where there is none."""
        return CtcLayer(self.ctc_lo) if self.ctc_lo is not None else None

    def encode(self, speech: Tensor, speech_lengths: Tensor) -> Tuple[Tensor, Tensor]:
        """Encode audio (B, S), (B,) to (B, T, D), (B,).

        Raises:
            TooShortUttError: an utterance has no frame.
        """
        with torch.autocast(speech.device.type, enabled=False):
            if self.is_whisper:
                features = self.frontend(self.pad(speech))
            else:
                features = self.frontend(speech, speech_lengths)
        if self.is_whisper:
            out = self.network(features).last_hidden_state
            lens = self.frames(speech_lengths, out.size(1))
            return out[:, : int(lens.max())], lens
        lens, least = speech_lengths, int(speech_lengths.min())
        own = self.network.config
        for kernel, stride in zip(own.conv_kernel, own.conv_stride):
            lens = torch.div(lens - kernel, stride, rounding_mode="floor") + 1
        if int(lens.min()) < 1:
            raise TooShortUttError(f"{least} samples make no frame.", least, 1)
        mask = None
        if least < speech.size(1):
            mask = (~make_pad_mask(speech_lengths, speech.size(1))).long()
        return self.network(features, attention_mask=mask).last_hidden_state, lens


def _build_network(encoder_conf: Mapping[str, Any]) -> nn.Module:
    """Build the network of a config.json; only classes of transformers itself."""
    import transformers

    config = transformers.AutoConfig.for_model(**network_of(encoder_conf))
    if encoder_conf["model_type"] == WHISPER:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        return WhisperEncoder(config)
    return transformers.AutoModel.from_config(config)


def take_over(
    directory: Path, out_dir: Path, fs: Optional[int] = None
) -> Tuple[Path, Path]:
    """Write a snapshot of the hub as a teacher: config.yaml and model.pth.

    Args:
        directory: of the snapshot.
        out_dir: directory to write; a model.pth of the same tensors is left alone.
        fs: sampling rate in Hz; None: what the snapshot says.

    Returns:
        Paths of the two.

    Raises:
        FileNotFoundError: a file is missing.
        RuntimeError: transformers is not installed.
        ValueError: a network that cannot teach, or files that do not fit.
    """
    conf, tensors = describe_snapshot(directory, fs), read_tensors(directory)
    state = {
        f"network.{name}": value
        for name, value in _encoder_of(conf["encoder"], tensors).items()
    }
    head = tensors.get(f"{HEAD}weight") if conf["encoder"] != WHISPER else None
    if head is not None:
        blank = conf["encoder_conf"].get("pad_token_id") or 0
        tokens, order = read_token_list(directory, blank, len(head))
        conf.update(
            token_list=tokens, token_type="char", model_conf={"ctc_weight": 1.0}
        )
        for name in ("weight", "bias"):
            state[f"ctc_lo.{name}"] = tensors[f"{HEAD}{name}"][order]
    model = HuggingFaceTeacher(conf)
    expected = model.state_dict()
    if UNUSED in expected:
        state.setdefault(UNUSED, expected[UNUSED])
        state[UNUSED] = torch.zeros_like(state[UNUSED])
    problem = load_strictly(model, state)
    if problem:
        raise ValueError(
            f"{directory}: its parameters are not for its config.json: {problem} Fetch "
            "the snapshot anew, or bring another teacher."
        )
    _write_parameters(out_dir / "model.pth", state)
    with atomic_write(out_dir / CONFIG) as f:
        yaml.safe_dump(conf, f, sort_keys=False, allow_unicode=True)
    return out_dir / CONFIG, out_dir / "model.pth"


def read_tensors(directory: Path) -> Dict[str, Tensor]:
    """Read the parameters of a snapshot: safetensors, else .bin as tensors alone.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a file is damaged, or holds more than tensors; nothing of it runs.
    """
    tensors: Dict[str, Tensor] = {}
    for path in [p for pattern in SAFE for p in sorted(directory.glob(pattern))]:
        with needs_extra("hf", WHAT):
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        try:
            tensors.update(load_file(path))
        except SafetensorError as error:
            raise ValueError(
                f"{path}: expected tensors, got a damaged file ({error}). Fetch it "
                "anew."
            ) from None
    if tensors:
        return tensors
    for path in [p for pattern in BINARY for p in sorted(directory.glob(pattern))]:
        tensors.update(load_parameters(path))
    if not tensors:
        raise FileNotFoundError(
            f"{directory}: expected {SAFE[0]} or {BINARY[0]}, found neither. " f"{HINT}"
        )
    return tensors


def _encoder_of(kind: str, tensors: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Return the encoder's parameters under the names of the encoder alone."""
    prefix = next(p for p in PREFIXES[kind] if any(n.startswith(p) for n in tensors))
    own = {}
    for name, value in tensors.items():
        if not name.startswith(prefix) or name.startswith(HEAD):
            continue
        name = name.removeprefix(prefix)
        for old, new in RENAMED.items():
            name = name.removesuffix(old) + new if name.endswith(old) else name
        own[name] = value
    return own


def _write_parameters(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a .pth, unless it is there with the same tensors: caches depend on it."""
    if path.is_symlink():  # of a teacher of ESPnet's, which was here before
        path.unlink()
    if path.is_file():
        before = load_parameters(path)
        if list(before) == list(state) and all(
            before[name].dtype == value.dtype and torch.equal(before[name], value)
            for name, value in state.items()
        ):
            return
    with atomic_write(path, "wb") as f:
        torch.save(dict(state), f)
