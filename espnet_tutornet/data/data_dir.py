"""Read, check and write Kaldi data directories."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Union

from espnet_tutornet.utils.files import atomic_dir

FILES = ("wav.scp", "text", "utt2spk", "utt2num_samples")
MAX_SHOWN = 5  # problems named in one message
PERTURBED = re.compile(r"sp[0-9.]+-")  # what the id of a copy begins with


@dataclass(frozen=True)
class Utterance:
    """One line of each file of a data directory.

    Attributes:
        utt_id: unique name, without white space.
        speaker: a prefix of ``utt_id``, so that both sort alike.
        wav: path of the audio file, absolute or relative to the working directory.
        num_samples: length of the audio.
        text: transcript; empty where there is none.
    """

    utt_id: str
    speaker: str
    wav: str
    num_samples: int
    text: str


@dataclass(frozen=True)
class RawUtterance:
    """An utterance before its audio is looked at.

    Attributes:
        utt_id: unique name, without white space.
        speaker: who speaks.
        text: transcript; empty where there is none.
        audio: entry of wav.scp: a file, ``command |``, or ``archive:offset``.
        recording: id of the audio, of which there may be several utterances.
        start: where it begins in the audio, in seconds.
        end: where it ends; None: with the audio.
        channel: from 0, where the audio has several; empty: not said.
        num_samples: length that utt2num_samples tells; 0: not said.
    """

    utt_id: str
    speaker: str
    text: str
    audio: str
    recording: str
    start: float = 0.0
    end: Optional[float] = None
    channel: str = ""
    num_samples: int = 0


def original_of(utt_id: str) -> str:
    """Return the utterance that another one is a copy of, at another speed.

    Example:
        >>> original_of("sp0.9-103-1240"), original_of("103-1240")
        ('103-1240', '103-1240')
    """
    return PERTURBED.sub("", utt_id, count=1) if PERTURBED.match(utt_id) else utt_id


def raise_problems(title: str, problems: Sequence[str]) -> None:
    """Raise one ValueError for all ``problems``, naming the first five.

    Raises:
        ValueError: ``problems`` is not empty.
    """
    if not problems:
        return
    lines = [f"{title}:"] + [f"  {problem}" for problem in problems[:MAX_SHOWN]]
    if len(problems) > MAX_SHOWN:
        lines.append(f"  and {len(problems) - MAX_SHOWN} more")
    raise ValueError("\n".join(lines))


def read_two_columns(path: Union[str, Path]) -> Dict[str, str]:
    """Read a file of ``<id> <rest of the line>``; the rest may be empty.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a blank line, an id that comes twice, or not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. Run the stage that writes it.")
    columns: Dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig") as f:
            for number, line in enumerate(f, 1):
                fields = line.rstrip().split(maxsplit=1)
                if not fields:
                    raise ValueError(f"{path}: line {number} is blank. Remove it.")
                if fields[0] in columns:
                    raise ValueError(
                        f"{path}: id {fields[0]} comes twice. Keep one of the lines."
                    )
                columns[fields[0]] = fields[1] if len(fields) == 2 else ""
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 ({error}). Convert it.") from error
    return columns


def read_data_dir(path: Union[str, Path], needs_text: bool = True) -> List[Utterance]:
    """Read and check a data directory.

    Args:
        path: directory with wav.scp, text, utt2spk and utt2num_samples.
        needs_text: whether every utterance must have a transcript; if not, ``text``
            may have empty ones, or not be there.

    Returns:
        The utterances, sorted by id.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: the files disagree about the ids, are not sorted, hold an id
            twice, a pipe, an empty transcript, or a length that is no number.
    """
    path = Path(path)
    names = [n for n in FILES if n != "text" or needs_text or (path / n).exists()]
    files = {name: read_two_columns(path / name) for name in names}
    files.setdefault("text", dict.fromkeys(files["wav.scp"], ""))
    _check_ids(path, files)
    wavs, texts, speakers, lengths = (files[name] for name in FILES)
    pipes = [utt_id for utt_id, wav in wavs.items() if wav.endswith("|")]
    raise_problems(
        f"{path}/wav.scp: pipes are not supported, dump the audio to files first", pipes
    )
    for name in ("wav.scp", "utt2spk"):
        empty = [utt_id for utt_id, value in files[name].items() if not value]
        raise_problems(f"{path}/{name}: no value for these ids", empty)
    bad = [i for i, n in lengths.items() if not (n.isdecimal() and int(n) > 0)]
    raise_problems(
        f"{path}/utt2num_samples: expected a whole number above 0",
        [f"{utt_id}: got {lengths[utt_id]!r}" for utt_id in bad],
    )
    utterances = [
        Utterance(i, speakers[i], wavs[i], int(lengths[i]), texts[i]) for i in wavs
    ]
    if needs_text:
        _check_texts(f"{path}/text", utterances)
    return utterances


def write_data_dir(
    path: Union[str, Path],
    utterances: Iterable[Utterance],
    extra: Optional[Mapping[str, str]] = None,
    needs_text: bool = True,
) -> None:
    """Write a data directory, with spk2utt, in place of an older one.

    Args:
        path: directory to write.
        utterances: in any order; written sorted by id.
        extra: further files, name -> content.
        needs_text: whether every utterance must have a transcript; if not, ``text``
            has lines that are an id alone.

    Raises:
        ValueError: no utterances, an id twice, an empty transcript, or ``path``
            holds something other than a data directory.
    """
    path = Path(path)
    check_replaceable(path, "wav.scp")
    # Code points sort as their UTF-8 bytes do, hence as `LC_ALL=C sort` does.
    utterances = sorted(utterances, key=lambda utt: utt.utt_id)
    if not utterances:
        raise ValueError(f"{path}: there is no utterance to write. Check the input.")
    twice = [
        a.utt_id for a, b in zip(utterances, utterances[1:]) if a.utt_id == b.utt_id
    ]
    raise_problems(f"{path}: ids come twice", twice)
    if needs_text:
        _check_texts(str(path), utterances)
    by_speaker = defaultdict(list)
    for utt in utterances:
        by_speaker[utt.speaker].append(utt.utt_id)
    with atomic_dir(path) as new:
        _write(new / "wav.scp", {u.utt_id: u.wav for u in utterances})
        _write(new / "text", {u.utt_id: u.text for u in utterances})
        _write(new / "utt2spk", {u.utt_id: u.speaker for u in utterances})
        _write(new / "utt2num_samples", {u.utt_id: u.num_samples for u in utterances})
        _write(
            new / "spk2utt", {s: " ".join(by_speaker[s]) for s in sorted(by_speaker)}
        )
        for name, content in (extra or {}).items():
            (new / name).write_text(content, encoding="utf-8")


def check_replaceable(path: Union[str, Path], marker: str) -> None:
    """Refuse to replace a directory that is not of the kind about to be written.

    Args:
        path: directory to be written.
        marker: file that every directory of this kind holds.

    Raises:
        ValueError: ``path`` exists, is not empty and has no ``marker``.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: is a file, expected a directory. Choose another.")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise ValueError(
            f"{path}: exists and holds no {marker}, so it is not replaced. "
            "Choose another directory, or remove it."
        )


def _write(path: Path, columns: Mapping) -> None:
    with path.open("w", encoding="utf-8") as f:
        f.writelines(f"{key} {value}".rstrip() + "\n" for key, value in columns.items())


def _check_ids(path: Path, files: Mapping[str, Mapping[str, str]]) -> None:
    ids = list(files["wav.scp"])
    if not ids:
        raise ValueError(f"{path}/wav.scp: is empty. Rerun the stage that writes it.")
    for name, columns in files.items():
        missing = [i for i in ids if i not in columns]
        raise_problems(f"{path}/{name}: ids of wav.scp are missing here", missing)
        unknown = [i for i in columns if i not in files["wav.scp"]]
        raise_problems(f"{path}/{name}: ids are not in wav.scp", unknown)
        wrong = [b for a, b in zip(columns, list(columns)[1:]) if b < a]
        raise_problems(
            f"{path}/{name}: is not sorted (run LC_ALL=C sort); out of order", wrong
        )


def _check_texts(where: str, utterances: Iterable[Utterance]) -> None:
    empty = [utt.utt_id for utt in utterances if not utt.text]
    raise_problems(
        f"{where}: empty transcripts; remove these utterances or transcribe them", empty
    )
