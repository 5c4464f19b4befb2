"""Read tables of audio and transcripts, as Common Voice and NeMo have them."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Dict, Iterator, List, Union

from espnet_tutornet.data.data_dir import RawUtterance, raise_problems
from espnet_tutornet.data.invisible import is_blank

SET = re.compile("(?<![A-Za-z0-9])SET(?![A-Za-z0-9])")  # the name, in a path
SUFFIXES = (".tsv", ".jsonl", ".json")
KEYS = {  # ours, and those of Common Voice and NeMo
    "audio": ("path", "audio_filepath"),
    "text": ("text", "sentence"),
    "speaker": ("speaker", "client_id"),
    "start": ("start", "offset"),
    "duration": ("duration",),
    "id": ("id",),
}
Row = Dict[str, str]


def find_manifest(path: Union[str, Path], name: str) -> Path:
    """Return the manifest of a set.

    Args:
        path: a directory of SET.tsv, SET.jsonl or SET.json, or a path with SET in it.
        name: of the set.

    Raises:
        FileNotFoundError: there is none; says which there are.

    Example:
        >>> find_manifest("nemo/SET_manifest.json", "train")  # doctest: +SKIP
        PosixPath('nemo/train_manifest.json')
    """
    path = Path(path)
    if path.is_dir():
        tried = [path / f"{name}{suffix}" for suffix in SUFFIXES]
    elif SET.search(str(path)):
        tried = [Path(SET.sub(lambda _: name, str(path)))]
    else:
        raise FileNotFoundError(
            f"{path}: expected a directory of manifests, or a path with the word SET "
            "in it, which stands for the name of the set."
        )
    for each in tried:
        if each.is_file():
            return each
    folder = tried[0].parent
    there = sorted(p.name for p in folder.glob("*") if p.suffix in SUFFIXES)
    raise FileNotFoundError(
        f"{' or '.join(map(str, tried))}: no manifest of the set {name}. "
        f"{folder} has: {' '.join(there[:20]) or 'none'}. Give --train_set, "
        "--valid_set and --test_sets as they are there."
    )


def read_manifest(
    path: Union[str, Path], needs_text: bool = True
) -> List[RawUtterance]:
    """Read a table of utterances.

    Args:
        path: .tsv with a line of names, or lines of JSON. Names are path (or
            audio_filepath), text (sentence), and where there are such: speaker
            (client_id), start (offset) and duration in seconds, id. Paths are found
            from the manifest, or in clips/ beside it.
        needs_text: whether every row must have a transcript; if not, none is read.

    Returns:
        The utterances, in the order of the rows. An id that is not given is the name of
        the file, with where it starts and ends if there are several of a file.

    Raises:
        ValueError: the table cannot be read, has rows without a transcript, or with
            audio that is not there: says how many, and names five.

    Example:
        >>> read_manifest("cv-corpus/en/train.tsv")  # doctest: +SKIP
    """
    path = Path(path)
    rows = list(_read_tsv(path) if path.suffix == ".tsv" else _read_json(path))
    if not rows:
        raise ValueError(f"{path}: has no rows. Make it anew.")
    files = [_find_audio(path, row["audio"]) for row in rows]
    lost = [row["audio"] or "(none)" for row, file in zip(rows, files) if not file]
    raise_problems(
        f"{path}: {len(lost)} of {len(rows)} rows have audio that is not there, "
        f"neither from {path.parent} nor in {path.parent}/clips. Fetch it, or remove "
        "the rows",
        lost,
    )
    if needs_text:
        empty = [row["audio"] for row in rows if is_blank(row["text"])]
        raise_problems(
            f"{path}: {len(empty)} of {len(rows)} rows have no text. Transcribe or "
            "remove them, or give the set as --unlabelled_sets",
            empty,
        )
    return _name(path, rows, files, needs_text)


def _name(
    path: Path, rows: List[Row], files: List[str], needs_text: bool
) -> List[RawUtterance]:
    names = {file: Path(file).stem for file in files}
    if len(set(names.values())) < len(names):  # two of a name: directories tell them
        top = path.parent
        inside = {file: Path(file).is_relative_to(top) for file in names}
        names = {
            file: "-".join(
                (Path(file).relative_to(top) if inside[file] else Path(file))
                .with_suffix("")
                .parts
            ).lstrip("/-")
            for file in names
        }
    names = {file: "_".join(name.split()) for file, name in names.items()}
    several = Counter(files)
    found, problems = [], []
    for number, (row, file) in enumerate(zip(rows, files), 1):
        start, seconds = _seconds(row["start"], 0.0), _seconds(row["duration"], None)
        if start is False or seconds is False or start < 0 or seconds == 0:
            problems.append(
                f"row {number}: start {row['start']!r}, duration {row['duration']!r}"
            )
            continue
        end = None if seconds is None else round(start + seconds, 6)
        utt_id = names[file]
        if several[file] > 1:
            utt_id += f"-{round(start * 1000):07d}-{round((end or 0) * 1000):07d}"
        utt_id = "_".join(row["id"].split()) or utt_id
        text = " ".join(row["text"].split()) if needs_text else ""
        speaker = "_".join(row["speaker"].split()) or utt_id
        found.append(RawUtterance(utt_id, speaker, text, file, names[file], start, end))
    raise_problems(
        f"{path}: expected seconds, 0 or more, as start and duration", problems
    )
    counts = Counter(utt.utt_id for utt in found)
    twice = [utt_id for utt_id, count in counts.items() if count > 1]
    raise_problems(f"{path}: ids come twice; give every row its own id", twice)
    return found


def _seconds(word: str, default):
    """Return seconds, the default where there are none, False if it is no number."""
    try:
        value = float(word) if word else default
    except ValueError:
        return False
    return False if word and not 0 <= value < float("inf") else value


def _find_audio(manifest: Path, name: str) -> str:
    for folder in (manifest.parent, manifest.parent / "clips", Path()):
        if name and (folder / name).is_file():
            return str(folder / name)
    return ""


def _read_tsv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as f:
        table = csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
        names = table.fieldnames or []
        for kind in ("audio", "text"):
            if not set(KEYS[kind]) & set(names):
                raise ValueError(
                    f"{path}: expected a first line with a column {KEYS[kind][0]} (or "
                    f"{KEYS[kind][1]}), found {' '.join(names) or 'nothing'}."
                )
        for row in table:
            yield _pick(row)


def _read_json(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as f:
        for number, line in enumerate(f, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                row = None
            if not isinstance(row, dict):
                raise ValueError(
                    f"{path}: line {number}: expected one JSON object a line, with "
                    f"audio_filepath (or path) and text, found {line[:60].strip()!r}."
                )
            yield _pick(row)


def _pick(row) -> Row:
    """Return a row under our names; what is not there is empty."""
    picked = {}
    for name, keys in KEYS.items():
        values = [row[key] for key in keys if row.get(key) is not None]
        picked[name] = str(values[0]) if values else ""
    return picked
