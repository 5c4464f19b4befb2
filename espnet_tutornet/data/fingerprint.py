"""Which version of a corpus results were made with."""

import hashlib
import json
import os
from pathlib import Path
from typing import Dict, List, Union

from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.utils.files import atomic_write

Fingerprint = Dict[str, Dict[str, Union[int, str]]]  # of each set


def hash_corpus(corpus_dir: Union[str, Path]) -> str:
    """Hash the names and sizes of a corpus's files, and its transcripts.

    Opens no audio: a quick look, to see whether there may be a change. 290 000 files,
    as LibriSpeech has, are seconds. Hidden files do not count.

    Args:
        corpus_dir: in LibriSpeech's layout, links to splits or speakers of others
            included; one that is not there is empty.
    """
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(corpus_dir, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            where = path.relative_to(corpus_dir)
            digest.update(f"{where} {path.stat().st_size}\n".encode())
            if name.endswith(".trans.txt"):
                digest.update(path.read_bytes())
    return digest.hexdigest()


def fingerprint_data(datadir: Union[str, Path]) -> Fingerprint:
    """Hash the utterance ids, transcripts and lengths of every set of ``datadir``.

    Raises:
        FileNotFoundError: there is no set.
    """
    found: Fingerprint = {}
    for path in sorted(Path(datadir).glob("*/utt2num_samples")):
        lengths = read_two_columns(path)
        text = path.with_name("text")
        columns = {
            "utterances": list(lengths),
            "transcripts": list(
                read_two_columns(text).items() if text.exists() else ()
            ),
            "lengths": list(lengths.items()),
        }
        hashes = {
            name: hashlib.sha256(json.dumps(value).encode()).hexdigest()
            for name, value in columns.items()
        }
        found[path.parent.name] = {"size": len(lengths), **hashes}
    if not found:
        raise FileNotFoundError(
            f"{datadir}: no set with utt2num_samples. Run stage 1 (data) first."
        )
    return found


def check_fingerprint(path: Union[str, Path], key: str, found: Fingerprint) -> None:
    """Compare with the fingerprint recorded under ``key``, or record this one.

    Args:
        path: JSON of fingerprints, beside the results.
        key: of the data, by the options that they were prepared with.
        found: as :func:`fingerprint_data` gives it.

    Raises:
        RuntimeError: the recorded one is another; says in which sets, and in what.
    """
    path = Path(path)
    recorded: Dict[str, Fingerprint] = {}
    if path.is_file():
        recorded = json.loads(path.read_text(encoding="utf-8"))
    if key not in recorded:
        recorded[key] = found
        with atomic_write(path) as f:
            json.dump(recorded, f, indent=1)
            f.write("\n")
        return
    changes = _list_changes(recorded[key], found)
    if changes:
        raise RuntimeError(
            f"{path.parent}: its results are of another version of the corpus: "
            f"{'; '.join(changes)}. Bring back that version, or give another --out_dir."
        )


def _list_changes(before: Fingerprint, now: Fingerprint) -> List[str]:
    changes = []
    for name in sorted({*before, *now}):
        if name not in now or name not in before:
            changes.append(f"{name} {'is new' if name in now else 'is gone'}")
            continue
        old, new = before[name], now[name]
        if old["size"] != new["size"]:
            changes.append(f"{name} has {new['size']} utterances, not {old['size']}")
        elif old != new:
            other = [key for key in ("utterances", "transcripts", "lengths")]
            other = [key for key in other if old[key] != new[key]]
            changes.append(f"{name} has other {' and '.join(other)}")
    return changes
