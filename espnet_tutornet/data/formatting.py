"""Format sets: audio of one sampling rate and one channel, in files of its own.

What needs no change is named as it is. What is done is kept in a journal: a second
call, or one after a kill, opens only what is left.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import soundfile
from tqdm import tqdm

from espnet_tutornet.data.conversion import (
    MIX,
    Target,
    convert,
    examine_file,
    name_file,
)
from espnet_tutornet.data.data_dir import RawUtterance, Utterance, raise_problems
from espnet_tutornet.data.journal import Entry, Journal
from espnet_tutornet.data.recordings import is_command, open_recording, split_ark
from espnet_tutornet.utils.files import remove_leftovers

THREADS = 8  # reading headers waits for the disk, not for the processor
ENOUGH = 20  # problems, after which nothing new is begun
BYTES = 1.25  # of FLAC per sample, of speech with some noise
UNKNOWN = 10.0  # s of a command's audio, in the estimate alone
Group = List[RawUtterance]  # utterances of one recording


class SetFormatter:
    """Format one set.

    Args:
        name: of the set.
        utterances: of it.
        target: what audio is to be.
        audio_dir: gets ``<name>/``: a journal, and the audio that is written.
        nj: threads that convert.

    Example:
        >>> utts = [RawUtterance("a", "a", "ONE", "a.wav", "a")]
        >>> SetFormatter("dev", utts, Target(16000), "data/audio", 2)  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        utterances: Sequence[RawUtterance],
        target: Target,
        audio_dir: Union[str, Path],
        nj: int,
    ):
        if nj < 1:
            raise ValueError(f"nj must be at least 1, got {nj}.")
        self.name, self.target, self.nj = name, target, nj
        self.utterances = sorted(utterances, key=lambda utt: utt.utt_id)
        self.journal = Journal(Path(audio_dir, name, "formatted.tsv"))
        kind = str(target.fs) + (f"_{target.channel}" if target.channel != MIX else "")
        self.folder = Path(audio_dir, name, kind)
        remove_leftovers(self.folder)
        stats: Dict[str, str] = {}
        self._keys = {utt.utt_id: _key(utt, target, stats) for utt in self.utterances}
        self._left = [utt for utt in self.utterances if not self._is_done(utt)]

    def examine(self) -> float:
        """Look at the headers of files that are left; return the bytes to write.

        Raises:
            ValueError: files that cannot be used: names five.
        """
        groups = _group(utt for utt in self._left if _is_file(utt.audio))
        bar = f"{self.name}: headers"
        found = _run(self._examine, groups, THREADS, bar, self.name)
        self._left = [utt for utt in self._left if not self._is_done(utt)]
        others = [utt for utt in self._left if not _is_file(utt.audio)]
        seconds = sum(found) + sum((u.end or UNKNOWN) - u.start for u in others)
        return seconds * self.target.fs * BYTES

    def convert(self) -> int:
        """Write what has to be written; return the number of utterances.

        Raises:
            ValueError: audio that cannot be used: names five. The rest is kept.
        """
        left = len(self._left)
        if left:
            self.folder.mkdir(parents=True, exist_ok=True)
            bar = f"{self.name}: audio"
            _run(self._convert, _group(self._left), self.nj, bar, self.name)
        self.journal.keep([utt.utt_id for utt in self.utterances])
        return left

    def read(self) -> List[Utterance]:
        """Return the utterances with their audio, once all are done."""
        entries = self.journal.entries
        return [
            Utterance(
                *(u.utt_id, u.speaker, entries[u.utt_id].path),
                *(entries[u.utt_id].num_samples, u.text),
            )
            for u in self.utterances
        ]

    def _is_done(self, utt: RawUtterance) -> bool:
        entry = self.journal.find(utt.utt_id, self._keys[utt.utt_id])
        if entry and self.target.strict and entry.fs != self.target.fs:
            return False
        return entry is not None

    def _add(self, utt: RawUtterance, fs: int, length: int, size: int, path) -> None:
        key = self._keys[utt.utt_id]
        self.journal.add(Entry(utt.utt_id, key, fs, length, size, str(path)))

    def _examine(self, group: Group) -> float:
        """Examine a file; return the seconds of it that have to be written."""
        seconds = 0.0
        with open_recording(group[0].audio) as recording:
            total = recording.frames / recording.samplerate
            for utt in group:
                if examine_file(recording, utt, self.target):
                    _check_length(utt, recording.frames)
                    fs, frames = recording.samplerate, recording.frames
                    self._add(utt, fs, frames, 0, utt.audio)
                else:
                    seconds += (total if utt.end is None else utt.end) - utt.start
        return seconds

    def _convert(self, group: Group) -> None:
        recording = open_recording(group[0].audio, self.target.fs)
        try:
            for utt in group:
                path = self.folder / name_file(utt.utt_id)
                length, size = convert(recording, utt, self.target, path)
                if recording.samplerate == self.target.fs:
                    _check_length(utt, length)
                self._add(utt, recording.samplerate, length, size, path)
        finally:
            recording.close()


def format_sets(
    sets: Dict[str, Sequence[RawUtterance]],
    fs: Optional[int],
    channel: str,
    audio_dir: Union[str, Path],
    nj: int = 1,
) -> Tuple[Dict[str, List[Utterance]], int]:
    """Format sets, after a look at all headers and at the disk.

    Args:
        sets: utterances by name of the set.
        fs: sampling rate in Hz; None: that of the first file, and no other.
        channel: of audio with several: ``mix``, or a number from 0.
        audio_dir: gets what is written, in a directory for each set.
        nj: threads that convert.

    Returns:
        The utterances by name of the set, and the sampling rate.

    Raises:
        ValueError: audio that cannot be used, or a channel that is none.
        RuntimeError: the disk is too small.

    Example:
        >>> utts = [RawUtterance("a", "a", "ONE", "a.wav", "a")]
        >>> format_sets({"dev": utts}, 16000, "mix", "data/audio")  # doctest: +SKIP
    """
    if channel != MIX and not channel.isdecimal():
        raise ValueError(f"channel must be {MIX} or a number from 0, got {channel!r}.")
    strict = fs is None
    if fs is None:
        first = next(iter(sets.values()))[0]
        recording = open_recording(first.audio)
        fs = recording.samplerate
        recording.close()
    target = Target(fs, strict, channel)
    all_sets = [
        SetFormatter(name, u, target, audio_dir, nj) for name, u in sets.items()
    ]
    check_disk(audio_dir, sum([each.examine() for each in all_sets]))
    done = {}
    for each in all_sets:
        written = each.convert()
        if written:
            print(f"{each.folder}: wrote {written} utterances", flush=True)
        done[each.name] = each.read()
    return done, fs


def check_disk(folder: Union[str, Path], needed: float) -> None:
    """Refuse to begin where the disk is too small.

    Args:
        folder: to write into; need not be there.
        needed: bytes.

    Raises:
        RuntimeError: there are fewer.
    """
    parents = [Path(folder), *Path(folder).absolute().parents]
    free = shutil.disk_usage(next(p for p in parents if p.exists())).free
    if needed > free:
        raise RuntimeError(
            f"{folder}: about {needed / 1e9:.1f} GB of audio are to be written, "
            f"{free / 1e9:.1f} GB are free. Free some, or give --datadir on another "
            "disk."
        )
    if needed:
        print(f"{folder}: about {needed / 1e9:.2f} GB of audio to write", flush=True)


def _is_file(audio: str) -> bool:
    return not is_command(audio) and not split_ark(audio)


def _group(utterances: Iterable[RawUtterance]) -> List[Group]:
    """Gather the utterances of each recording, in the order of their audio."""
    in_order = sorted(utterances, key=lambda utt: (utt.audio, utt.start))
    return [list(group) for _, group in groupby(in_order, lambda utt: utt.audio)]


def _key(utt: RawUtterance, target: Target, stats: Dict[str, str]) -> str:
    """Name what an utterance is made from, and how, in a few letters."""
    ark = split_ark(utt.audio)
    file = ark[0] if ark else utt.audio
    if file not in stats:
        stats[file] = ""
        if not is_command(utt.audio) and os.path.exists(file):
            stat = os.stat(file)
            stats[file] = f"{stat.st_size} {stat.st_mtime_ns}"
    made = (utt.audio, stats[file], utt.start, utt.end, utt.channel)
    whole = repr((*made, utt.num_samples, target.fs, target.channel))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _check_length(utt: RawUtterance, found: int) -> None:
    if utt.num_samples and utt.end is None and utt.num_samples != found:
        raise ValueError(
            f"{utt.utt_id}: utt2num_samples says {utt.num_samples}, {utt.audio} has "
            f"{found}. Fetch the audio again, or remove utt2num_samples."
        )


def _run(
    work: Callable[[Group], object],
    groups: List[Group],
    threads: int,
    title: str,
    name: str,
) -> list:
    """Work on recordings in threads; gather what is wrong with them."""
    problems: List[str] = []

    def run(group: Group):
        if len(problems) >= ENOUGH:
            return 0
        try:
            return work(group)
        except ValueError as error:
            problems.append(str(error).removesuffix("."))
        except soundfile.SoundFileError as error:
            audio = group[0].audio
            problems.append(f"{audio}: cannot be read ({error}). Fetch it again")
        return 0

    # soxr, NumPy and soundfile let go of the interpreter lock, so threads do.
    with ThreadPoolExecutor(threads) as pool:
        try:
            done = pool.map(run, groups)
            found = list(tqdm(done, title, total=len(groups), disable=None))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    raise_problems(f"{name}: audio that cannot be used", sorted(problems))
    return found
