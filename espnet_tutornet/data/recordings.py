"""Open recordings as wav.scp names them: files, commands, places in archives."""

import io
import re
import shlex
import signal
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np
import soundfile

from espnet_tutornet.utils.kaldi_io import kaldi_io

ARK = re.compile(r"(.+):([0-9]+)")
SHELL = set("$`;&<>(){}*?[]~!#\\\n=")  # a command with none of these needs no shell
PCM = 32768  # steps of 16 bit samples from 0 to 1
SHOWN = 300  # last characters of stderr in a message


class Samples:
    """Samples in memory, read as those of a ``soundfile.SoundFile``.

    Args:
        samples: (S, C) float32 in [-1, 1].
        samplerate: in Hz.
    """

    format, subtype = "ARK", "FLOAT"

    def __init__(self, samples: np.ndarray, samplerate: int):
        self.samples, self.samplerate = samples, samplerate
        self.frames, self.channels = samples.shape
        self.place = 0

    def seek(self, place: int) -> None:
        """Go to a sample."""
        self.place = place

    def read(self, frames: int, dtype: str, always_2d: bool) -> np.ndarray:
        """Return samples from there on."""
        assert always_2d and dtype == "float32", (always_2d, dtype)
        return self.samples[self.place : self.place + frames]

    def close(self) -> None:
        """Do nothing: there is no file."""


Recording = Union[soundfile.SoundFile, Samples]


def is_command(audio: str) -> bool:
    """Whether an entry of wav.scp is a command, whose output is the audio."""
    return audio.rstrip().endswith("|")


def split_ark(audio: str) -> Optional[Tuple[str, int]]:
    """Return archive and offset of an entry of wav.scp; None: it is none.

    Example:
        >>> split_ark("raw/data.ark:1234"), split_ark("a.wav")
        (('raw/data.ark', 1234), None)
    """
    found = ARK.fullmatch(audio)
    if is_command(audio) or not found or Path(audio).is_file():
        return None
    return found[1], int(found[2])


def open_recording(audio: str, fs: Optional[int] = None) -> Recording:
    """Open the audio of an entry of wav.scp.

    Args:
        audio: a file, ``command |``, or ``archive:offset``.
        fs: sampling rate in Hz of matrices in archives, which have none of their own.

    Raises:
        ValueError: a command fails or prints no audio, a file or an archive cannot be
            read or is cut, a rate is needed.

    Example:
        >>> open_recording("sph2pipe -f wav a.sph |").samplerate  # doctest: +SKIP
        16000
    """
    ark = split_ark(audio)
    try:
        if is_command(audio):
            printed = run_command(audio)
            try:
                return soundfile.SoundFile(io.BytesIO(printed))
            except soundfile.SoundFileError as error:
                raise ValueError(
                    f"{audio}: prints {len(printed)} bytes that are no audio with a "
                    f"header ({error}). Have the command print WAV or FLAC."
                ) from error
        return _open_ark(audio, *ark, fs) if ark else soundfile.SoundFile(audio)
    except (soundfile.SoundFileError, OSError) as error:
        raise ValueError(f"{audio}: cannot be read ({error}). Fetch it again.") from (
            error
        )


def run_command(audio: str) -> bytes:
    """Run the command of an entry of wav.scp, without a shell where that is enough.

    Raises:
        ValueError: it is not there, fails, or prints nothing; with its own words.

    Example:
        >>> run_command("printf abc | head -c 2 |")
        b'ab'
    """
    command = audio.rstrip().removesuffix("|").strip()
    with tempfile.TemporaryFile() as stderr:
        try:
            printed, statuses = _run_chain(_split_chain(command), stderr)
        except FileNotFoundError as error:
            raise ValueError(
                f"{audio}: no program {error.filename}. Install it, or put it on PATH."
            ) from error
        stderr.seek(0)
        said = stderr.read().decode("utf-8", "replace").strip()[-SHOWN:]
    # one that is not read to its end is no failure
    failed = [s for s in statuses[:-1] if s not in (0, -signal.SIGPIPE)]
    failed += [s for s in statuses[-1:] if s]
    if failed or not printed:
        fault = f"ends with status {failed[0]}" if failed else "prints nothing"
        raise ValueError(
            f"{audio}: {fault}, expected audio; it says: {said or 'nothing'}. Run it "
            "by hand, and mend it."
        )
    return printed


def _split_chain(command: str) -> List[List[str]]:
    """Split a command into the words of its programs."""
    if not SHELL & set(command):
        lexer = shlex.shlex(command, posix=True, punctuation_chars="|")
        lexer.whitespace_split, lexer.commenters = True, ""
        chain: List[List[str]] = [[]]
        try:
            for word in lexer:
                chain[-1].append(word) if word != "|" else chain.append([])
        except ValueError:  # quotes that are not closed: bash says so
            chain = [[]]
        if all(chain) and not any(word.startswith("||") for w in chain for word in w):
            return chain
    return [["bash", "-o", "pipefail", "-c", command]]


def _run_chain(chain: Sequence[List[str]], stderr) -> Tuple[bytes, List[int]]:
    processes: List[subprocess.Popen] = []
    source = subprocess.DEVNULL  # ffmpeg would read what is typed
    try:
        for words in chain:
            process = subprocess.Popen(
                words, stdin=source, stdout=subprocess.PIPE, stderr=stderr
            )
            if processes:
                processes[-1].stdout.close()  # the new one has it alone: SIGPIPE
            processes.append(process)
            source = process.stdout
        printed = processes[-1].stdout.read()
        return printed, [process.wait() for process in processes]
    finally:
        for process in processes:
            process.stdout.close()
            if process.poll() is None:
                process.kill()
                process.wait()


def _open_ark(audio: str, path: str, offset: int, fs: Optional[int]) -> Recording:
    with open(path, "rb") as f:
        f.seek(offset)
        head = f.read(14)
        f.seek(offset)
        if head[:5] == b"AUDIO":  # kaldiio's: bytes of the length, length, a whole file
            start = 6 + head[5] if len(head) > 5 else 0
            size = int.from_bytes(head[6:start], "little")
            f.seek(offset + start)
        elif head[:4] == b"RIFF":
            size = int.from_bytes(head[4:8], "little") + 8
        elif head[:4] == b"fLaC":
            size = -1  # its own header tells where it ends
        elif head[:2] == b"\0B":
            return _read_matrix(audio, head, fs)
        else:  # also what would be unpickled, which runs code
            raise ValueError(
                f"{audio}: expected WAV, FLAC, or a matrix of floats at this offset of "
                f"the archive, found {head[:4]!r}. Make wav.scp anew with the archive."
            )
        content = f.read(size)
    if len(content) < size:
        raise ValueError(
            f"{audio}: the archive is cut: expected {size} bytes of audio, found "
            f"{len(content)}. Fetch it again."
        )
    return soundfile.SoundFile(io.BytesIO(content))


def _read_matrix(audio: str, head: bytes, fs: Optional[int]) -> Samples:
    if fs is None:
        raise ValueError(
            f"{audio}: a matrix, which does not tell its sampling rate. Give --fs."
        )
    try:
        matrix = np.asarray(kaldi_io.load_mat(audio), np.float32)
    except (ValueError, RuntimeError, AssertionError, struct.error) as error:
        raise ValueError(
            f"{audio}: the archive is cut or holds no matrix ({error}). Fetch it again."
        ) from error
    if matrix.ndim == 1:
        expected = int.from_bytes(head[6:10], "little")  # "\0BFV \4", then its length
        if head[2:5] in (b"FV ", b"DV ") and len(matrix) != expected:
            raise ValueError(
                f"{audio}: the archive is cut: expected {expected} samples, found "
                f"{len(matrix)}. Fetch it again."
            )
        matrix = matrix[:, None]
    most = np.abs(matrix).max(initial=0.0)
    if most > 1 and most <= PCM and np.array_equal(matrix, np.rint(matrix)):
        matrix = matrix / PCM  # Kaldi's own samples are whole numbers
    elif most > 1:
        raise ValueError(
            f"{audio}: expected samples in [-1, 1], or whole numbers in [-{PCM}, "
            f"{PCM}], found {most:g}. Is it an archive of features?"
        )
    return Samples(matrix, fs)
