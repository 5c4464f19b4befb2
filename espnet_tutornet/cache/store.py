"""Teacher outputs on disk: shards of Kaldi archives, an index, a manifest.

    <cache>/manifest.json                   whose outputs, in which form, checksums
    <cache>/codebooks.npz                   of layers kept in the form pq
    <cache>/<stream>.scp                    utterance id, archive and offset, for Kaldi
    <cache>/shards/<shard>/<stream>.ark     one matrix an utterance

A stream is a layer's name or ``posteriors``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional, Tuple, Union
from zipfile import BadZipFile

import numpy as np
from torch import Tensor

from espnet_tutornet.cache import ark
from espnet_tutornet.cache.forms import total_columns
from espnet_tutornet.cache.manifest import FILE, Manifest, Shard, read_manifest
from espnet_tutornet.cache.pipeline import work_behind
from espnet_tutornet.utils.files import atomic_dir, atomic_write

CODEBOOKS = "codebooks.npz"
INPUTS = "made from"  # its key beside the layers in the file of codebooks
RECORD = "shard.json"
SHARDS = "shards"


def save_codebooks(
    directory: Union[str, Path], codebooks: Mapping, inputs: str = ""
) -> None:
    """Write the codebooks of a cache.

    Args:
        directory: the cache.
        codebooks: layer name -> (M, 256, G).
        inputs: hash of what they were learned from.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as cache:
        ...     save_codebooks(cache, {"last": np.zeros((32, 256, 8))}, "of these")
        ...     load_codebooks(cache)["last"].shape, codebooks_inputs(cache)
        ((32, 256, 8), 'of these')
    """
    with atomic_write(Path(directory) / CODEBOOKS, "wb") as f:
        np.savez(f, **{INPUTS: np.array(inputs)}, **codebooks)


def load_codebooks(directory: Union[str, Path]) -> Dict[str, np.ndarray]:
    """Read the codebooks of a cache, none where no layer is in the form pq."""
    path = Path(directory) / CODEBOOKS
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content if name != INPUTS}


def codebooks_inputs(directory: Union[str, Path]) -> Optional[str]:
    """Return the hash of what the codebooks were learned from, None without any."""
    try:
        with np.load(Path(directory) / CODEBOOKS, allow_pickle=False) as content:
            return str(content[INPUTS])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def write_shard(
    directory: Union[str, Path],
    name: str,
    forms: Mapping,
    outputs: Iterable[Tuple[str, Dict[str, Tensor]]],
    inputs: str = "",
) -> Shard:
    """Write one shard and move it into place.

    Args:
        directory: the cache.
        name: of the shard.
        forms: stream -> form.
        outputs: utterance id and stream -> (T, D) or (T, V), one utterance after the
            other.
        inputs: hash of what they were made from.

    Returns:
        Its entry of the manifest.

    Raises:
        OSError: the disk is full; nothing of the shard remains.
    """
    frames: Dict[str, int] = {}
    encoded: Dict[str, List[Tuple[str, np.ndarray]]] = {stream: [] for stream in forms}

    def encode(output):
        utt_id, streams = output
        return utt_id, {name: forms[name].encode(streams[name]) for name in forms}

    for utt_id, matrices in work_behind(encode, outputs):
        for stream, matrix in matrices.items():
            encoded[stream].append((utt_id, matrix))
            frames[utt_id] = len(matrix)
    with atomic_dir(Path(directory) / SHARDS / name) as new:
        for stream, matrices in encoded.items():
            method = forms[stream].method
            offsets = ark.write_ark(new / f"{stream}.ark", matrices, method)
            with (new / f"{stream}.scp").open("w", encoding="utf-8") as f:
                f.writelines(f"{utt} {offset}\n" for utt, offset in offsets.items())
        files = sorted(new.iterdir())
        shard = Shard(
            name=name,
            inputs=inputs,
            utterances=len(frames),
            frames=sum(frames.values()),
            checksums={file.name: checksum(file) for file in files},
            sizes={file.name: file.stat().st_size for file in files},
        )
        (new / RECORD).write_text(json.dumps(asdict(shard)), encoding="utf-8")
    return shard


def read_shard(directory: Union[str, Path], name: str) -> Optional[Shard]:
    """Return the record of a shard that is written, or None."""
    try:
        path = Path(directory) / SHARDS / name / RECORD
        return Shard(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def damage(directory: Union[str, Path], shard: Shard, thorough: bool) -> Optional[str]:
    """Tell what is wrong with a shard's files, or return None.

    Args:
        directory: the cache.
        shard: its record.
        thorough: read and hash every byte; otherwise only the sizes are compared.
    """
    for name, size in shard.sizes.items():
        path = Path(directory) / SHARDS / shard.name / name
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != size:
            return f"{path} has {path.stat().st_size} bytes, expected {size}"
        if thorough and checksum(path) != shard.checksums[name]:
            return f"{path} has another checksum than when it was written"
    return None


def finish_cache(
    directory: Union[str, Path], manifest: Manifest, shards: List[Shard]
) -> Manifest:
    """Join the shards' indexes and write the manifest: from now on it is a cache."""
    directory = Path(directory)
    streams = [*manifest.layers, *(["posteriors"] if manifest.top_k else [])]
    for stream in streams:
        lines = []
        for shard in shards:
            archive = directory / SHARDS / shard.name / f"{stream}.ark"
            for utt_id, offset in _read_index(archive.with_suffix(".scp")):
                lines.append(f"{utt_id} {archive}:{offset}\n")
        with atomic_write(directory / f"{stream}.scp") as f:
            f.writelines(sorted(lines))
    manifest = replace(manifest, shards=shards)
    manifest.write(directory)
    return manifest


class CacheReader(Mapping):
    """Utterance id -> what the cache keeps of it, as ESPnet's loaders want it.

    The value is a float32 matrix (T, C), the streams side by side in the order of
    ``Manifest.forms``; an utterance that is not in the cache has T = 0. Memory: the
    index, about 200 bytes an utterance and stream.

    Args:
        directory: a complete cache.

    Raises:
        FileNotFoundError: the dump never ended.
        ValueError: the manifest is damaged or of another release.
        RuntimeError: a shard is missing or truncated; the message names it.

    Example:
        >>> CacheReader("exp/teacher_cache")["utt1"].shape  # doctest: +SKIP
        (49, 48)
    """

    def __init__(self, directory: Union[str, Path]):
        self.directory = Path(directory)
        self.manifest = read_manifest(directory)
        check_shards(directory, self.manifest, thorough=False)
        forms = self.manifest.forms(load_codebooks(directory))
        self.columns = total_columns(forms.values())
        names = [shard.name for shard in self.manifest.shards]
        self._archives = {
            stream: [self.directory / SHARDS / name / f"{stream}.ark" for name in names]
            for stream in forms
        }
        self._places: Dict[str, Tuple[int, ...]] = {}  # shard, then an offset a stream
        for number, name in enumerate(names):
            shard = self.directory / SHARDS / name
            indexes = [_read_index(shard / f"{stream}.scp") for stream in forms]
            for entries in zip(*indexes):
                offsets = (offset for _, offset in entries)
                self._places[entries[0][0]] = (number, *offsets)

    def __contains__(self, utt_id: str) -> bool:
        return utt_id in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, utt_id: str) -> np.ndarray:
        """Return (T, C) float32; (0, C) where the cache lacks the utterance."""
        place = self._places.get(utt_id)
        if place is None:
            return np.zeros((0, self.columns), np.float32)
        shard, *offsets = place
        matrices = [
            ark.read_matrix(archives[shard], offset)
            for archives, offset in zip(self._archives.values(), offsets)
        ]
        return np.concatenate(matrices, axis=1)


def open_cache(directory: Union[str, Path]) -> CacheReader:
    """Return the reader of a cache; one for all who ask in this process.

    A training reads its index once, and not for each of its data sets. A cache that
    was written anew since gets a new reader.
    """
    manifest = Path(directory) / FILE
    written = checksum(manifest) if manifest.is_file() else ""
    return _open(str(directory), written)


@lru_cache(maxsize=4)
def _open(directory: str, written: str) -> CacheReader:
    return CacheReader(directory)


def check_shards(
    directory: Union[str, Path], manifest: Manifest, thorough: bool
) -> None:
    """Refuse a cache with damaged shards.

    Raises:
        RuntimeError: names the damaged files.
    """
    found = [damage(directory, shard, thorough) for shard in manifest.shards]
    found = [problem for problem in found if problem]
    if found:
        shown = "; ".join(found[:3]) + (" ..." if len(found) > 3 else "")
        raise RuntimeError(
            f"{len(found)} of {len(manifest.shards)} shards of {directory} are "
            f"damaged: {shown}. Run the dump again (run.sh, stage 8): it rebuilds "
            "these alone."
        )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _read_index(path: Path) -> List[Tuple[str, int]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(utt_id, int(offset)) for utt_id, offset in map(str.split, lines)]
