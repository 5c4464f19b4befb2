"""Read a corpus in the layout of LibriSpeech."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import soundfile
from tqdm import tqdm

from espnet_tutornet.data.data_dir import Utterance, raise_problems, read_two_columns
from espnet_tutornet.data.invisible import find_invisible, is_blank
from espnet_tutornet.data.samples import FLOATING, describe_cut, describe_not_finite

AUDIO_SUFFIXES = (".flac", ".ogg", ".opus", ".wav")
THREADS = 8  # reading headers waits for the disk, not for the processor


def list_splits(corpus_dir: Union[str, Path]) -> List[str]:
    """List the splits of a corpus: its directories, sorted by name.

    Raises:
        FileNotFoundError: there is no such corpus.
    """
    corpus_dir = Path(corpus_dir)
    if not corpus_dir.is_dir():
        raise FileNotFoundError(f"{corpus_dir}: no such corpus directory.")
    names = [path.name for path in corpus_dir.iterdir() if path.is_dir()]
    return sorted(name for name in names if not name.startswith("."))


def read_split(
    corpus_dir: Union[str, Path],
    split: str,
    fs: Optional[int] = None,
    needs_text: bool = True,
) -> Tuple[List[Utterance], int]:
    """Read audio, ``<split>/<speaker>/<chapter>/<speaker>-<chapter>-<utt>.flac``.

    Or .ogg, .opus, .wav. A cut Ogg file is shorter; nothing here can tell.

    Transcripts come from ``<speaker>-<chapter>.trans.txt`` beside the audio; without
    ``needs_text`` such files are not opened, and every transcript is empty.

    Args:
        corpus_dir: directory that holds the splits.
        split: its name, for example ``train-clean``.
        fs: sampling rate that every file must have; None takes that of the first.
        needs_text: whether to read transcripts.

    Returns:
        The utterances sorted by id, and the sampling rate.

    Raises:
        FileNotFoundError: there is no such corpus or split.
        ValueError: transcripts and audio disagree, a file cannot be read, is not
            mono, has another sampling rate, or samples that are NaN or infinite. Names
            up to five of them.

    Example:
        >>> read_split("/corpora/mine", "train-clean")  # doctest: +SKIP
    """
    splits = list_splits(corpus_dir)
    if split not in splits:
        raise FileNotFoundError(
            f"{corpus_dir}: no split {split!r}; it has: {', '.join(splits) or 'none'}"
        )
    split_dir = Path(corpus_dir) / split
    audio, problems = _find_audio(split_dir)
    texts = dict.fromkeys(audio, "")
    if needs_text:
        texts, more = _read_transcripts(split_dir)
        problems = more + problems
    lost = [utt_id for utt_id in texts if utt_id not in audio]
    others = {p.stem: p for p in split_dir.glob("*/*/[!.]*")} if lost else {}
    for utt_id in lost:
        problem = f"{utt_id}: a transcript without audio"
        if utt_id in others:
            accepted = ", ".join(AUDIO_SUFFIXES)
            path = others[utt_id]
            problem += f"; {path}: {path.suffix} is not accepted, but {accepted}. "
            problem += "Convert it"
        problems.append(problem)
    problems += [f"{p}: no transcript line" for i, p in audio.items() if i not in texts]
    raise_problems(f"{split_dir}: transcripts and audio do not fit", problems)
    if not audio:
        raise ValueError(
            f"{split_dir}: no utterances, expected "
            "<speaker>/<chapter>/<speaker>-<chapter>-<utt>.flac"
        )
    paths = [audio[utt_id] for utt_id in sorted(audio)]
    lengths, fs = _read_lengths(split_dir, paths, fs)
    utterances = [
        Utterance(p.stem, p.parent.parent.name, str(p), n, texts[p.stem])
        for p, n in zip(paths, lengths)
    ]
    return utterances, fs


def _read_transcripts(split_dir: Path) -> Tuple[Dict[str, str], List[str]]:
    texts: Dict[str, str] = {}
    problems = []
    for path in sorted(split_dir.glob("*/*/[!.]*.trans.txt")):
        for utt_id, text in read_two_columns(path).items():
            if utt_id in texts:
                problems.append(f"{path}: id {utt_id} comes twice in this split")
            if is_blank(text):
                why = f" ({find_invisible(text)}: nothing to see)" if text else ""
                problems.append(f"{path}: empty transcript of {utt_id}{why}")
            texts[utt_id] = " ".join(text.split())
    return texts, problems


def _find_audio(split_dir: Path) -> Tuple[Dict[str, Path], List[str]]:
    found = defaultdict(list)
    problems = []
    for path in sorted(split_dir.glob("*/*/[!.]*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        prefix = f"{path.parent.parent.name}-{path.parent.name}-"
        if not path.stem.startswith(prefix):
            problems.append(f"{path}: expected a name that begins with {prefix}")
        odd = find_invisible(path.stem)
        if odd:
            problems.append(f"{path}: {odd} in its name, which is an id. Rename it")
        found[path.stem].append(path)
    for utt_id, paths in found.items():
        if len(paths) > 1:
            names = ", ".join(map(str, paths))
            problems.append(f"id {utt_id} comes twice: {names}")
    return {utt_id: paths[0] for utt_id, paths in found.items()}, problems


def _read_lengths(
    split_dir: Path, paths: List[Path], fs: Optional[int]
) -> Tuple[List[int], int]:
    with ThreadPoolExecutor(THREADS) as pool:
        read = pool.map(_read_header, paths)
        headers = list(tqdm(read, split_dir.name, total=len(paths), disable=None))
    fs = fs or next((h[1] for h in headers if not isinstance(h, str)), None)
    problems = []
    for path, header in zip(paths, headers):
        if isinstance(header, str):
            problems.append(header)
        elif header[1] != fs:
            problems.append(
                f"{path}: sampling rate {header[1]} Hz, expected {fs} Hz. Resample it "
                f"(sox, soxr), or pass --fs {header[1]} if all files have that rate"
            )
    raise_problems(f"{split_dir}: audio that cannot be used", problems)
    return [header[0] for header in headers], fs


def _read_header(path: Path) -> Union[Tuple[int, int], str]:
    """Return (number of samples, sampling rate), or what is wrong with the file."""
    try:
        with soundfile.SoundFile(str(path)) as f:
            if f.channels != 1:
                return f"{path}: {f.channels} channels, expected 1. Mix it down"
            if f.frames < 1:
                return f"{path}: holds no samples. Fetch it again"
            found = describe_cut(path)
            if found:
                return f"{path}: {found}. Fetch it again"
            # A FLAC file cut short has a sound header, but its end is not there.
            f.seek(f.frames - 1)
            if f.subtype in FLOATING:
                f.seek(0)
                found = describe_not_finite(f.read(dtype="float32"), f.samplerate)
                if found:
                    advice = "Convert the original again, or remove the file"
                    return f"{path}: {found}. {advice}"
            return f.frames, f.samplerate
    except (soundfile.SoundFileError, OSError) as error:
        return f"{path}: cannot be read ({error}). Fetch it again"
