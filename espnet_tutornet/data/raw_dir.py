"""Raw data directories: Kaldi's, with any audio that wav.scp can name, and segments.

``<datadir>/<set>`` is raw when a recipe's own script has written it, and is formatted
later; the raw one is then kept in ``<datadir>/org/<set>``.
"""

import hashlib
import json
from pathlib import Path
from typing import Dict, Iterable, List, Union

from espnet_tutornet.data.corpora.kaldi import CHANNELS, FILES, read_raw_dir
from espnet_tutornet.data.data_dir import (
    RawUtterance,
    Utterance,
    check_replaceable,
    raise_problems,
)
from espnet_tutornet.utils.files import atomic_dir

ORG, AUDIO = "org", "audio"  # beside the sets: sources, what was written
MARK = "formatted.json"  # in a formatted directory: what it held when it was written
HELD = ("wav.scp", "utt2spk", "text")


def check_set_names(names: Iterable[str]) -> None:
    """Refuse names that no directory of a set can have.

    Raises:
        ValueError: a name has a slash, or is that of another directory.

    Example:
        >>> check_set_names(["train_sp", "dev"])
    """
    wrong = [name for name in names if "/" in name or name in (ORG, AUDIO)]
    if wrong:
        raise ValueError(
            f"{wrong[0]}: expected the name of a set, without / and other than {ORG} "
            f"and {AUDIO}. Give a directory above as part of --kaldi_dir or --manifest."
        )


def write_raw_dir(path: Union[str, Path], utterances: Iterable[RawUtterance]) -> None:
    """Write a raw data directory in place of an older one, files sorted as Kaldi's.

    Args:
        path: directory to write.
        utterances: in any order.

    Raises:
        ValueError: there are none, an id comes twice, or ``path`` holds something else.

    Example:
        >>> utt = RawUtterance("a-1", "a", "ONE", "sph2pipe a.sph |", "a")
        >>> write_raw_dir("data/org/train", [utt])  # doctest: +SKIP
    """
    path = Path(path)
    check_replaceable(path, "wav.scp")
    utterances = sorted(utterances, key=lambda utt: utt.utt_id)
    if not utterances:
        raise ValueError(f"{path}: there is no utterance to write. Check the input.")
    ids = [utt.utt_id for utt in utterances]
    raise_problems(
        f"{path}: ids come twice", [a for a, b in zip(ids, ids[1:]) if a == b]
    )
    columns: Dict[str, Dict[str, object]] = {name: {} for name in FILES}
    audio = {utt.recording: utt.audio for utt in utterances}
    other = [u.recording for u in utterances if audio[u.recording] != u.audio]
    raise_problems(f"{path}: two recordings have one id", list(dict.fromkeys(other)))
    cut = any(u.recording != u.utt_id or u.start or u.end for u in utterances)
    for utt in utterances:
        columns["wav.scp"][utt.recording] = utt.audio
        if cut:
            end = -1 if utt.end is None else utt.end
            columns["segments"][utt.utt_id] = f"{utt.recording} {utt.start} {end}"
        columns["text"][utt.utt_id] = utt.text
        columns["utt2spk"][utt.utt_id] = utt.speaker
        if utt.channel:
            side = f"{utt.recording} {int(utt.channel) + 1}"
            columns[CHANNELS][utt.recording] = side
        if utt.num_samples:
            columns["utt2num_samples"][utt.utt_id] = utt.num_samples
    with atomic_dir(path) as new:
        for name, lines in columns.items():
            if lines:
                with (new / name).open("w", encoding="utf-8") as f:
                    f.writelines(
                        f"{key} {lines[key]}".rstrip() + "\n" for key in sorted(lines)
                    )


def take_raw_dir(
    datadir: Union[str, Path], name: str, needs_text: bool = True
) -> List[RawUtterance]:
    """Read a set as its source has it, and keep that in ``<datadir>/org``.

    Args:
        datadir: holds the sets. ``<datadir>/<name>`` counts where it is raw: written or
            changed by something else than the format step, after ``org/<name>``.
        name: of the set.
        needs_text: whether every utterance must have a transcript.

    Raises:
        FileNotFoundError: the set is nowhere.
        ValueError: as in :func:`read_raw_dir`.

    Example:
        >>> take_raw_dir("data", "train")  # doctest: +SKIP
    """
    made, org = Path(datadir, name), Path(datadir, ORG, name)
    if not (made / "wav.scp").is_file() and not (org / "wav.scp").is_file():
        raise FileNotFoundError(
            f"{made}/wav.scp: no such file. local/data.sh has to write it for each of "
            "--train_set, --valid_set, --test_sets and --unlabelled_sets."
        )
    mark = _read_mark(made)
    if mark != {key: _hash(made / key) for key in mark} or not mark:
        if _last_change(made) > _last_change(org):
            old = mark.get("utt2num_samples") == _hash(made / "utt2num_samples")
            skip = ["utt2num_samples"] if mark and old else []
            write_raw_dir(org, read_raw_dir(made, needs_text, skip))
    return read_raw_dir(org, needs_text)


def mark_formatted(utterances: Iterable[Utterance]) -> Dict[str, str]:
    """Return the file that tells a formatted directory from a raw one, and its content.

    Args:
        utterances: that the directory holds.
    """
    columns: Dict[str, List[str]] = {name: [] for name in (*HELD, "utt2num_samples")}
    for utt in sorted(utterances, key=lambda utt: utt.utt_id):
        values = (utt.wav, utt.speaker, utt.text, str(utt.num_samples))
        for lines, value in zip(columns.values(), values):
            lines.append(f"{utt.utt_id} {value}".rstrip() + "\n")
    hashes = {
        name: hashlib.sha256("".join(lines).encode()).hexdigest()
        for name, lines in columns.items()
    }
    return {MARK: json.dumps({**hashes, "segments": ""}, indent=1) + "\n"}


def _read_mark(folder: Path) -> Dict[str, str]:
    try:
        return dict(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _last_change(folder: Path) -> int:
    """Return when a raw file was written last, by a time that cp -p does not set."""
    there = [folder / name for name in FILES if (folder / name).is_file()]
    return max((path.stat().st_ctime_ns for path in there), default=0)
