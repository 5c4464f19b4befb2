"""A journal of what was formatted, so that nothing is done twice."""

import os
from pathlib import Path
from threading import Lock
from typing import Dict, NamedTuple, Optional, Union

from espnet_tutornet.utils.files import atomic_write

COLUMNS = 6


class Entry(NamedTuple):
    """A line: an utterance that is done.

    Attributes:
        utt_id: its name.
        key: of what it was made from and how.
        fs: sampling rate before, in Hz.
        num_samples: length now.
        size: bytes of the file that was written; 0: the audio is named as it is.
        path: of its audio.
    """

    utt_id: str
    key: str
    fs: int
    num_samples: int
    size: int
    path: str


class Journal:
    """Lines that are appended as utterances are done; the last of an id counts.

    Args:
        path: of the file.

    Example:
        >>> Journal("data/audio/train/formatted.tsv").find("a", "1")  # doctest: +SKIP
    """

    def __init__(self, path: Union[str, Path]):
        self.path, self._lock, self._file = Path(path), Lock(), None
        self.entries: Dict[str, Entry] = {}
        lines = ""
        if self.path.is_file():
            lines = self.path.read_text(encoding="utf-8")
        for line in lines.split("\n")[:-1]:  # a last one without its end is cut
            fields = line.split("\t")
            if len(fields) == COLUMNS and all(map(str.isdecimal, fields[2:5])):
                utt_id, key, *numbers, path = fields
                self.entries[utt_id] = Entry(utt_id, key, *map(int, numbers), path)
        self._is_cut = bool(lines) and not lines.endswith("\n")

    def find(self, utt_id: str, key: str) -> Optional[Entry]:
        """Return the entry of an utterance whose product is there, of this key."""
        entry = self.entries.get(utt_id)
        if entry is None or entry.key != key:
            return None
        if entry.size:
            try:
                if os.stat(entry.path).st_size != entry.size:
                    return None
            except OSError:
                return None
        return entry

    def add(self, entry: Entry) -> None:
        """Append an entry; threads may."""
        line = "\t".join(map(str, entry)) + "\n"
        with self._lock:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", encoding="utf-8")
                # more columns than a line has: what was cut never counts
                line = "\t" * COLUMNS + f"\n{line}" if self._is_cut else line
            self._file.write(line)
            self._file.flush()
            self.entries[entry.utt_id] = entry

    def close(self) -> None:
        """Close the file, if anything was added."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def keep(self, utt_ids) -> None:
        """Write the journal anew with these utterances alone, if there are others."""
        self.close()
        wanted = {i: self.entries[i] for i in utt_ids if i in self.entries}
        if len(wanted) == len(self.entries) or not wanted:
            return
        with atomic_write(self.path) as f:
            f.writelines("\t".join(map(str, e)) + "\n" for e in wanted.values())
        self.entries = wanted
