"""Remove utterances that are too short, too long, or too dense for CTC."""

from pathlib import Path
from typing import (
    Callable,
    Collection,
    Iterable,
    List,
    NamedTuple,
    Sequence,
    Tuple,
    Union,
)

from espnet_tutornet.data.data_dir import Utterance

TOO_SHORT = "shorter_than_min_wav_duration"
TOO_LONG = "longer_than_max_wav_duration"
TOO_DENSE = "ctc_target_longer_than_frames"
HEADER = "utt_id\treason\tvalue"


class Removed(NamedTuple):
    """A row of removed.tsv: why an utterance was left out."""

    utt_id: str
    reason: str
    value: str


def filter_by_duration(
    utterances: Iterable[Utterance], fs: int, min_duration: float, max_duration: float
) -> Tuple[List[Utterance], List[Removed]]:
    """Keep utterances of ``min_duration`` to ``max_duration`` seconds, both included.

    Args:
        utterances: what to filter.
        fs: sampling rate in Hz.
        min_duration: shortest that is kept, in seconds.
        max_duration: longest that is kept, in seconds.

    Returns:
        The utterances kept, and the rows of those removed.

    Raises:
        ValueError: ``fs`` is not above 0, or no duration could fit.
    """
    if fs <= 0:
        raise ValueError(f"fs must be above 0, got {fs}.")
    if not 0 <= min_duration < max_duration:
        raise ValueError(
            "expected 0 <= min_wav_duration < max_wav_duration, "
            f"got {min_duration} and {max_duration}."
        )
    kept, removed = [], []
    for utt in utterances:
        seconds = utt.num_samples / fs
        if min_duration <= seconds <= max_duration:
            kept.append(utt)
        else:
            reason = TOO_SHORT if seconds < min_duration else TOO_LONG
            removed.append(Removed(utt.utt_id, reason, f"{seconds:.3f}"))
    return kept, removed


def ctc_frames_needed(tokens: Sequence[str], vocabulary: Collection[str]) -> int:
    """Count the frames of the shortest CTC path: one more blank between equal tokens.

    Args:
        tokens: the target.
        vocabulary: known tokens; all others become the same ``<unk>``.

    Returns:
        ``len(tokens)`` plus the number of neighbours that are equal.
    """
    known = [token if token in vocabulary else "<unk>" for token in tokens]
    return len(known) + sum(a == b for a, b in zip(known, known[1:]))


def filter_by_ctc(
    utterances: Iterable[Utterance],
    encode: Callable[[str], List[str]],
    vocabulary: Collection[str],
    samples_per_frame: int,
    lost: int = 1,
) -> Tuple[List[Utterance], List[Removed]]:
    """Keep utterances whose target fits into the frames of the encoder.

    Args:
        utterances: what to filter.
        encode: from ``tokens.load_encoder``.
        vocabulary: the token list.
        samples_per_frame: hop size times subsampling, for example 80 * 4.
        lost: frames fewer than ``num_samples // samples_per_frame``. Subsampling by
            convolution without padding loses one, or up to three.

    Returns:
        The utterances kept, and the rows of those removed, as ``needed>frames``.

    Raises:
        ValueError: ``samples_per_frame`` is not above 0.
    """
    if samples_per_frame <= 0:
        raise ValueError(f"samples_per_frame must be above 0, got {samples_per_frame}.")
    vocabulary = frozenset(vocabulary)
    kept, removed = [], []
    for utt in utterances:
        frames = utt.num_samples // samples_per_frame - lost
        needed = ctc_frames_needed(encode(utt.text), vocabulary)
        if needed <= frames:
            kept.append(utt)
        else:
            removed.append(Removed(utt.utt_id, TOO_DENSE, f"{needed}>{frames}"))
    return kept, removed


def read_removed(path: Union[str, Path]) -> List[Removed]:
    """Read removed.tsv; there are no rows where there is no file.

    Raises:
        ValueError: the file has another form.
    """
    path = Path(path)
    if not path.exists():
        return []
    header, *lines = path.read_text(encoding="utf-8").split("\n")[:-1] or [""]
    rows = [line.split("\t") for line in lines]
    if header != HEADER or any(len(row) != 3 for row in rows):
        raise ValueError(f"{path}: expected lines of {HEADER!r}. Remove the file.")
    return [Removed(*row) for row in rows]


def format_removed(rows: Iterable[Removed]) -> str:
    """Format rows as the content of removed.tsv."""
    return "".join(f"{line}\n" for line in [HEADER, *map("\t".join, rows)])
