"""Utterances that are too short for one window of an STFT, beside ESPnet's search.

ESPnet writes an empty hypothesis for audio of which an encoder makes no frame, but dies
of audio that is shorter than half a window: torch cannot reflect it at its ends.
"""

from pathlib import Path
from typing import Iterable, List, Mapping, Sequence

import soundfile

from espnet_tutornet.utils.files import atomic_write

FILES = ("text", "token", "token_int")
N_FFT = 512  # ESPnet's default


def half_window(conf: Mapping) -> int:
    """Return the samples that audio has to exceed for the model of a configuration.

    Example:
        >>> half_window({"frontend_conf": {"n_fft": 400}}), half_window({})
        (200, 256)
    """
    return ((conf.get("frontend_conf") or {}).get("n_fft") or N_FFT) // 2


def find_short(wavs: Mapping[str, str], samples: int) -> List[str]:
    """List the utterances of at most so many samples, by the headers of their audio.

    Args:
        wavs: utterance id -> path.
        samples: such as :func:`half_window` gives.
    """
    return [i for i, path in wavs.items() if soundfile.info(path).frames <= samples]


def describe(utt_ids: Sequence[str]) -> str:
    """Say how many utterances are too short, and name the first five.

    Example:
        >>> describe(["a", "b"])
        '2 utterances are too short for the model, their hypotheses are empty: a b'
    """
    return (
        f"{len(utt_ids)} utterances are too short for the model, their hypotheses are "
        f"empty: {' '.join(utt_ids[:5])}{' ...' if len(utt_ids) > 5 else ''}"
    )


def add_empty(folder: Path, utt_ids: Iterable[str]) -> None:
    """Add empty hypotheses to what ESPnet wrote into ``1best_recog``."""
    for name in FILES:
        path = folder / name
        lines = path.read_text(encoding="utf-8") if path.is_file() else ""
        with atomic_write(path) as f:
            f.write(lines + "".join(f"{utt_id} \n" for utt_id in utt_ids))
