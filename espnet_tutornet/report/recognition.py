"""Trained models and what they recognise in an utterance."""

import argparse
import base64
import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import soundfile
import torch
import torchaudio

from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.data.tokens import load_encoder
from espnet_tutornet.layers.threads import one_thread
from espnet_tutornet.losses.frame_weights import FrameWeights
from espnet_tutornet.teacher.loading import load_config
from espnet_tutornet.teacher.online import OnlineTeacher
from espnet_tutornet.utils.reading import read_yaml


@dataclass(frozen=True)
class Outputs:
    """What a model says of an utterance.

    Attributes:
        log_probs: (T, V), natural log.
        hidden: (T, D).
        shift: milliseconds a frame.
    """

    log_probs: np.ndarray
    hidden: torch.Tensor
    shift: float


class Recogniser:
    """A trained model, teacher or student, that is asked one utterance at a time.

    Args:
        config: ESPnet's config.yaml.
        model: the .pth that belongs to it.
        layer: whose hidden states to report.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the files do not fit, or the model has no CTC branch.
    """

    def __init__(self, config: Path, model: Path, layer: str = "last"):
        layers = tuple(dict.fromkeys(("last", layer)))
        with _quiet(), one_thread():
            # an utterance alone has no padding to mask
            self.model = OnlineTeacher.from_files(
                config, model, layers=layers, masked=False
            )
        self.layer, self._config_file = layer, config
        self.token_list, self.blank_id = self.model.token_list, self.model.blank_id

    @cached_property
    def config(self) -> argparse.Namespace:
        """Configuration of the model; of a large one, slow to read."""
        return load_config(self._config_file)

    def recognise(self, wave: np.ndarray, fs: int) -> Outputs:
        """Listen to (S,) samples at ``fs`` Hz.

        Raises:
            ValueError: the model was made for another sampling rate.
        """
        if self.model.fs not in (None, fs):
            raise ValueError(
                f"the model was trained at {self.model.fs} Hz, got audio at {fs} Hz. "
                "Give the data directory that it was trained on."
            )
        speech = torch.from_numpy(wave)[None]
        lengths = torch.tensor([len(wave)])
        with _quiet(), one_thread():
            heard = self.model({"speech": speech, "speech_lengths": lengths})
        log_probs = heard.log_probs[0].float().numpy()
        return Outputs(
            log_probs, heard.hidden[self.layer][0], 1000 * heard.frame_shift / fs
        )

    def token_ids(self, text: str) -> List[int]:
        """Spell a transcript in the model's tokens; unknown ones are ``<unk>``."""
        config = self.config
        spell = load_encoder(config.token_type, getattr(config, "bpemodel", None))
        numbers = {token: number for number, token in enumerate(self.token_list)}
        unknown = numbers.get("<unk>", self.blank_id)
        ids = [numbers.get(token, unknown) for token in spell(text)]
        return [number for number in ids if number != self.blank_id]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ESPnet's warnings, the same at each call, off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def weigh_frames(outputs: Outputs, term: Mapping, blank_id: int) -> np.ndarray:
    """Return the (T,) frame weights that an RKD term gave the teacher's frames.

    Args:
        outputs: by the teacher.
        term: arguments of the term, as in ``distill.yaml``.
        blank_id: index of ``<blank>`` in V.
    """
    conf = term.get("frame_weights_conf") or {}
    weights = FrameWeights(term.get("frame_weights", "nonblank"), **conf)
    padding = torch.zeros(1, len(outputs.log_probs), dtype=torch.bool)
    log_probs = torch.from_numpy(outputs.log_probs)[None]
    return weights(outputs.hidden[None], log_probs, padding, blank_id)[0].numpy()


def force_align(
    log_probs: np.ndarray, targets: Sequence[int], blank_id: int
) -> List[Tuple[int, int]]:
    """Find the likeliest CTC path that says ``targets``.

    Args:
        log_probs: (T, V), natural log.
        targets: (L,) token ids, without blanks.
        blank_id: index of ``<blank>`` in V.

    Returns:
        First frame and the one after the last, of each target.

    Raises:
        ValueError: fewer frames than the path needs, or a target that is blank.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1]])
        >>> force_align(np.log(p), [1], 0), force_align(np.log(p), [1, 1], 0)
        ([(1, 3)], [(1, 2), (3, 4)])
    """
    targets = list(targets)
    repeats = sum(a == b for a, b in zip(targets, targets[1:]))
    if blank_id in targets:
        raise ValueError(f"targets must not hold the blank, {blank_id}: {targets}.")
    if len(log_probs) < len(targets) + repeats:
        raise ValueError(
            f"{len(targets)} tokens with {repeats} repeats need as many frames in all, "
            f"got {len(log_probs)}. The transcript does not belong to this audio."
        )
    if not targets:
        return []
    path, _ = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs).double()[None],  # float32 loses near ties
        torch.tensor([targets], dtype=torch.int32),
        blank=blank_id,
    )
    tokens, counts = path[0].unique_consecutive(return_counts=True)
    stops = counts.cumsum(0)
    spans = zip(tokens.tolist(), (stops - counts).tolist(), stops.tolist())
    return [(start, stop) for token, start, stop in spans if token != blank_id]


def find_files(directory: Path) -> Optional[Tuple[Path, Path]]:
    """Find config.yaml and .pth of a run: its export, or what the recipe decodes with.

    Returns:
        Both paths, or None where there is no trained model.
    """
    export = directory / "export/config.yaml", directory / "export/model.pth"
    if all(path.is_file() for path in export):
        return export
    config = directory / "config.yaml"
    if not config.is_file():
        return None
    criteria = read_yaml(config).get("best_model_criterion") or []
    names = [f"{mode}.{key}.ave.pth" for mode, key, _ in criteria] + ["model.pth"]
    for name in names:
        if (directory / name).is_file():
            return config, directory / name
    return None


def read_audio(path: str) -> Tuple[np.ndarray, int]:
    """Read (S,) samples of the first channel, and the rate in Hz."""
    wave, fs = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(wave[:, 0]), fs


def log_mel(wave: np.ndarray, fs: int) -> Tuple[np.ndarray, float]:
    """Return (M, F) log-mel energies in dB, and the seconds a column."""
    hop = fs // 100
    transform = torchaudio.transforms.MelSpectrogram(
        fs, n_fft=fs // 40, hop_length=hop, n_mels=40
    )
    energies = transform(torch.from_numpy(wave)).clamp_min(1e-10)
    return (10 * energies.log10()).numpy(), hop / fs


def embed_audio(wave: np.ndarray, fs: int) -> str:
    """Return a ``data:`` address of the audio as FLAC, which browsers play."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, fs, format="FLAC", subtype="PCM_16")
    return f"data:audio/flac;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def read_set(directory: Path) -> Dict[str, Tuple[str, str]]:
    """Return utterance id -> audio path and transcript ("" without one).

    Raises:
        FileNotFoundError: there is no wav.scp.
    """
    texts = directory / "text"
    known = read_two_columns(texts) if texts.is_file() else {}
    wavs = read_two_columns(directory / "wav.scp")
    return {utt_id: (wav, known.get(utt_id, "")) for utt_id, wav in wavs.items()}
