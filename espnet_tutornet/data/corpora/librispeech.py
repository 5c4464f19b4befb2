"""Read a corpus in the layout of LibriSpeech."""

from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Tuple, Union

from espnet_tutornet.data.data_dir import RawUtterance, raise_problems, read_two_columns
from espnet_tutornet.data.invisible import find_invisible, is_blank

# of what soundfile reads; compressed with a loss or not
AUDIO_SUFFIXES = (".aiff", ".flac", ".mp3", ".ogg", ".opus", ".sph", ".wav")


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
    corpus_dir: Union[str, Path], split: str, needs_text: bool = True
) -> List[RawUtterance]:
    """Find audio, ``<split>/<speaker>/<chapter>/<speaker>-<chapter>-<utt>.flac``.

    Or another of ``AUDIO_SUFFIXES``. A cut Ogg or MP3 file is shorter; nothing here can
    tell.

    Transcripts come from ``<speaker>-<chapter>.trans.txt`` beside the audio; without
    ``needs_text`` such files are not opened, and every transcript is empty.

    Args:
        corpus_dir: directory that holds the splits.
        split: its name, for example ``train-clean``.
        needs_text: whether to read transcripts.

    Returns:
        The utterances, sorted by id. No audio is opened.

    Raises:
        FileNotFoundError: there is no such corpus or split.
        ValueError: transcripts and audio disagree; names up to five.

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
    return [
        RawUtterance(i, audio[i].parent.parent.name, texts[i], str(audio[i]), i)
        for i in sorted(audio)
    ]


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
