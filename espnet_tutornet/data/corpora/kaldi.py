"""Read data directories that Kaldi's or ESPnet's recipes have made."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

from espnet_tutornet.data.data_dir import (
    RawUtterance,
    raise_problems,
    read_two_columns,
)
from espnet_tutornet.data.recordings import is_command, split_ark

SIDES = {"A": "0", "1": "0", "B": "1", "2": "1"}  # of Kaldi: channels, ours from 0
CHANNELS = "reco2file_and_channel"
FILES = ("wav.scp", "segments", "text", "utt2spk", CHANNELS, "utt2num_samples")
Places = Dict[str, Tuple[str, float, Optional[float]]]  # recording, start, end


def read_kaldi_set(
    kaldi_dir: Union[str, Path], name: str, needs_text: bool = True
) -> List[RawUtterance]:
    """Read one set of a directory of data directories.

    Args:
        kaldi_dir: such as ``data`` of Kaldi's recipes, ``dump/raw`` of ESPnet's.
        name: of the set, as it is there.
        needs_text: whether every utterance must have a transcript.

    Returns:
        The utterances, sorted by id.

    Raises:
        FileNotFoundError: there is no such set; says which there are.
        ValueError: as in :func:`read_raw_dir`.

    Example:
        >>> read_kaldi_set("egs2/mine/asr1/dump/raw", "train_sp")  # doctest: +SKIP
    """
    folder = Path(kaldi_dir, name)
    if not (folder / "wav.scp").is_file():
        there = [p.parent for p in Path(kaldi_dir).glob("**/wav.scp")]
        names = sorted(str(p.relative_to(kaldi_dir)) for p in there)
        raise FileNotFoundError(
            f"{folder}/wav.scp: no such set. {kaldi_dir} has: "
            f"{' '.join(names[:20]) or 'none'}. Give --kaldi_dir, --train_set, "
            "--valid_set and --test_sets as they are there."
        )
    return read_raw_dir(folder, needs_text)


def read_raw_dir(
    path: Union[str, Path],
    needs_text: bool = True,
    skip: Sequence[str] = (),
) -> List[RawUtterance]:
    """Read a data directory as Kaldi and ESPnet write them, in any order of lines.

    Args:
        path: holds wav.scp, and text, utt2spk or spk2utt, segments, utt2num_samples
            and reco2file_and_channel where there are such.
        needs_text: whether every utterance must have a transcript; if not, text is not
            read.
        skip: names of files that are not read.

    Returns:
        The utterances, sorted by id. Paths are found from here, or from a directory
        above, as ESPnet's are relative to its recipe.

    Raises:
        FileNotFoundError: there is no wav.scp, or no text where it is needed.
        ValueError: files disagree about ids, a transcript is empty, or a line of
            segments is not as it should be.

    Example:
        >>> read_raw_dir("egs2/mine/asr1/data/train")  # doctest: +SKIP
    """
    path = Path(path)
    optional = {
        name: read_two_columns(path / name)
        for name in FILES
        if name not in ("wav.scp", "text", *skip) and (path / name).is_file()
    }
    wavs = read_two_columns(path / "wav.scp")
    raise_problems(
        f"{path}/wav.scp: no audio", [i for i, wav in wavs.items() if not wav]
    )
    bases = [Path(), *path.resolve().parents]
    wavs = {i: _find(wav, bases) for i, wav in wavs.items()}
    channels = _read_channels(path, optional.get(CHANNELS, {}))
    lengths = optional.get("utt2num_samples", {})
    places = (
        _read_segments(path, optional["segments"], wavs)
        if ("segments" in optional)
        else {i: (i, 0.0, None) for i in wavs}
    )
    texts = _read_texts(path, places, needs_text)
    speakers = optional.get("utt2spk", {})
    if not speakers and (path / "spk2utt").is_file():
        lists = read_two_columns(path / "spk2utt").items()
        speakers = {utt_id: name for name, ids in lists for utt_id in ids.split()}
    lost = [i for i in places if not speakers.get(i)] if speakers else []
    raise_problems(f"{path}/utt2spk: no speaker of these utterances", lost)
    return [
        RawUtterance(
            *(i, speakers.get(i, i), texts.get(i, ""), wavs[places[i][0]]),
            *places[i],
            channels.get(places[i][0], ""),
            int(lengths[i]) if lengths.get(i, "").isdecimal() else 0,
        )
        for i in sorted(places)
    ]


def _find(audio: str, bases: Sequence[Path]) -> str:
    """Return an entry of wav.scp with paths that are found from here."""
    if is_command(audio):
        for word in dict.fromkeys(audio.split()):
            found = _above(word.strip("'\""), bases) if "/" in word else ""
            if found:
                audio = audio.replace(word.strip("'\""), found)
        return audio
    ark = split_ark(audio)
    file, offset = (ark[0], f":{ark[1]}") if ark else (audio, "")
    found = _above(file, bases)
    return f"{found}{offset}" if found else audio


def _above(name: str, bases: Sequence[Path]) -> str:
    """Return where a file is that is not there from here, empty where it is nowhere."""
    if Path(name).is_absolute() or Path(name).exists():
        return ""
    return next((str(base / name) for base in bases if (base / name).is_file()), "")


def _read_texts(path: Path, places: Places, needs_text: bool) -> Dict[str, str]:
    if not needs_text:
        return {}
    texts = read_two_columns(path / "text")
    empty = [utt_id for utt_id in places if not texts.get(utt_id)]
    raise_problems(
        f"{path}/text: {len(empty)} of {len(places)} utterances have no transcript. "
        "Transcribe or remove them, or give the set as --unlabelled_sets",
        empty,
    )
    unknown = [utt_id for utt_id in texts if utt_id not in places]
    source = "segments" if (path / "segments").is_file() else "wav.scp"
    raise_problems(
        f"{path}/text: ids are not in {source} (utils/fix_data_dir.sh of Kaldi removes "
        "them)",
        unknown,
    )
    return texts


def _read_segments(path: Path, lines: Dict[str, str], wavs: Dict[str, str]) -> Places:
    places, problems = {}, []
    for utt_id, line in lines.items():
        words = line.split()
        try:
            recording, start, end = words[0], *map(float, words[1:])
        except (ValueError, IndexError):
            problems.append(f"{utt_id}: expected RECORDING START END, found {line!r}")
            continue
        if recording not in wavs:
            problems.append(f"{utt_id}: recording {recording} is not in wav.scp")
        elif start < 0 or (end != -1 and end <= start):
            problems.append(
                f"{utt_id}: from {start:g} s to {end:g} s, expected 0 <= start < end "
                "(or -1 as end: that of the recording)"
            )
        places[utt_id] = recording, start, None if end == -1 else end
    raise_problems(f"{path}/segments: lines that cannot be used", problems)
    return places


def _read_channels(path: Path, lines: Dict[str, str]) -> Dict[str, str]:
    """Read ``<recording> <name> <A or B>`` into channels from 0."""
    sides = {i: (line.split() or [""])[-1] for i, line in lines.items()}
    raise_problems(
        f"{path}/{CHANNELS}: expected A, B, 1 or 2 as channel",
        [f"{i}: found {side!r}" for i, side in sides.items() if side not in SIDES],
    )
    return {i: SIDES[side] for i, side in sides.items()}
