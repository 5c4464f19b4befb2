"""Keep what a teacher says of a whole corpus: plan, forecast, spread, join."""

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from distributed import as_completed
from tqdm import tqdm

from espnet_tutornet.cache.manifest import FILE, Manifest, Shard
from espnet_tutornet.cache.store import (
    CODEBOOKS,
    SHARDS,
    checksum,
    codebooks_inputs,
    damage,
    finish_cache,
    read_shard,
    save_codebooks,
)
from espnet_tutornet.teacher.check import measure_hidden
from espnet_tutornet.teacher.cluster import start_client
from espnet_tutornet.teacher.kinds import check_sampling_rates
from espnet_tutornet.teacher.listen import (
    Listener,
    Source,
    dump_shard,
    sample_codebooks,
)
from espnet_tutornet.teacher.online import PADDING

PER_UTTERANCE = 60  # bytes of headers and index lines an utterance and stream


@dataclass(frozen=True)
class Keep:
    """What a cache keeps.

    Attributes:
        form: of the hidden states: ``two_byte``, ``one_byte`` or ``pq``.
        codes: bytes a frame in the form pq, else 0.
        top_k: posteriors a frame; 0: none.
        shard_utterances: the most in one shard.
        fs: sampling rate of the audio in Hz, None where it is not known.
    """

    form: str
    codes: int
    top_k: int
    shard_utterances: int
    fs: Optional[int] = None


@dataclass(frozen=True)
class Workers:
    """Who does the work: see :func:`start_client`."""

    backend: str = "local"
    nj: int = 1
    conf: Optional[Path] = None


@dataclass(frozen=True)
class Part:
    """A shard to be written: its name, its utterances and what it depends on."""

    name: str
    utt_ids: Tuple[str, ...]
    inputs: str


def hash_of(manifest: Manifest, *facts: Any) -> str:
    """Hash the plan of a cache and further facts."""
    content = repr([manifest.plan(), *facts])
    return hashlib.sha256(content.encode()).hexdigest()


def plan_parts(
    lengths: Mapping[str, int], utterances: int, manifest: Manifest, codebooks: str = ""
) -> List[Part]:
    """Cut a corpus into shards of utterances of like length, longest first.

    Args:
        lengths: utterance id -> audio samples.
        utterances: the most in one shard.
        manifest: of the cache; another teacher or form makes other parts.
        codebooks: their checksum.

    Example:
        >>> shape = Manifest("f", 16000, 640.0, ["<blank>"], 0, {}, 2)
        >>> [p.utt_ids for p in plan_parts({"a": 1, "b": 3, "c": 2}, 2, shape)]
        [('b', 'c'), ('a',)]
    """
    ids = sorted(lengths, key=lambda i: (-lengths[i], i))
    parts = []
    for start in range(0, len(ids), utterances):
        chosen = tuple(ids[start : start + utterances])
        inputs = hash_of(manifest, codebooks, [(i, lengths[i]) for i in chosen])
        parts.append(Part(f"{len(parts):05d}", chosen, inputs))
    return parts


def dump(
    directory: Path,
    source: Source,
    keep: Keep,
    lengths: Mapping[str, int],
    workers: Workers = Workers(),
    request: str = "",
) -> Manifest:
    """Write what is missing or damaged, then the manifest.

    Args:
        directory: the cache.
        source: teacher and audio.
        keep: what to keep.
        lengths: utterance id -> audio samples.
        workers: who does it.
        request: see :class:`Manifest`.

    Raises:
        RuntimeError: the disk cannot hold the forecast.
        ValueError: audio of another rate than the teacher's.
    """
    # the front end of a batch system may have no GPU
    here = source.ngpu and workers.backend == "local"
    listener = Listener(source, "cuda:0" if here else "cpu")
    check_sampling_rates("the corpus is at", keep.fs, listener.teacher.fs)
    print(f"{directory}: {PADDING[listener.teacher.padding]}")
    plan = listener.manifest(keep.form, keep.codes, keep.top_k)
    codebooks = _codebooks(directory, listener, plan, lengths)
    parts = plan_parts(lengths, keep.shard_utterances, plan, codebooks)
    todo = [part for part in parts if not _is_done(directory, part)]
    _check_disk(directory, plan, todo, lengths)
    (directory / FILE).unlink(missing_ok=True)  # not a cache until it is complete
    written = _spread(directory, source, plan, todo, lengths, workers)
    shards = [written.get(p.name) or read_shard(directory, p.name) for p in parts]
    _remove_others(directory, {part.name for part in parts})
    manifest = finish_cache(directory, replace(plan, request=request), shards)
    for layer, (middle, most) in measure_hidden(
        directory, listener, sorted(lengths)
    ).items():
        print(
            f"{directory}: hidden states {layer} as they are kept differ from the "
            f"teacher's alone by {middle:.3f} (relative norm, median; 90 %: {most:.3f})"
        )
    return manifest


def _is_done(directory: Path, part: Part) -> bool:
    shard = read_shard(directory, part.name)
    if shard is None or shard.inputs != part.inputs:
        return False
    problem = damage(directory, shard, thorough=True)
    if problem:
        print(f"{problem}: shard {part.name} is made again")
    return problem is None


def _codebooks(
    directory: Path, listener: Listener, plan: Manifest, lengths: Mapping[str, int]
) -> str:
    """Learn the codebooks unless those of this plan are there; return their hash."""
    if not any(layer["codes"] for layer in plan.layers.values()):
        return ""
    inputs = hash_of(plan, sorted(lengths.items()))
    if codebooks_inputs(directory) != inputs:
        print(f"{directory}: learning codebooks")
        save_codebooks(directory, sample_codebooks(listener, plan, lengths), inputs)
    return checksum(directory / CODEBOOKS)


def _check_disk(
    directory: Path,
    plan: Manifest,
    todo: Sequence[Part],
    lengths: Mapping[str, int],
) -> None:
    utterances = [utt_id for part in todo for utt_id in part.utt_ids]
    frames = sum(lengths[utt_id] for utt_id in utterances) / plan.frame_shift
    streams = len(plan.layers) + bool(plan.top_k)
    per_frame = plan.bytes_per_frame
    forecast = int(frames * per_frame + len(utterances) * streams * PER_UTTERANCE)
    free = shutil.disk_usage(directory).free
    print(
        f"{directory}: {len(utterances)} of {len(lengths)} utterances to do, "
        f"{len(todo)} shards, {per_frame:.0f} bytes a frame, about "
        f"{forecast / 1e6:.1f} MB ({free / 1e6:.0f} MB free)"
    )
    if forecast > free:
        raise RuntimeError(
            f"{directory}: {forecast / 1e6:.1f} MB are forecast, but only "
            f"{free / 1e6:.1f} MB are free. Free some, choose another disk, fewer "
            "bytes (--hidden_form pq16, --top_k 4) or fewer layers."
        )


def _spread(
    directory: Path,
    source: Source,
    plan: Manifest,
    todo: Sequence[Part],
    lengths: Mapping[str, int],
    workers: Workers,
) -> Dict[str, Shard]:
    """Run the shards on the workers; return those written."""
    if not todo:
        return {}
    total = sum(lengths[utt_id] for part in todo for utt_id in part.utt_ids)
    written: Dict[str, Shard] = {}
    with start_client(workers.backend, workers.nj, workers.conf) as client:
        futures = {}
        for part in todo:
            own = {utt_id: lengths[utt_id] for utt_id in part.utt_ids}
            what = (part.name, part.utt_ids, part.inputs, own)
            task = (dump_shard, str(directory), source, plan, *what)
            futures[client.submit(*task, pure=False)] = sum(own.values())
        with tqdm(total=total, unit="sample", unit_scale=True, disable=None) as bar:
            for future, shard in as_completed(futures, with_results=True):
                written[shard.name] = shard
                bar.update(futures[future])
                if bar.disable:  # a log, not a terminal
                    print(f"{len(written)} of {len(todo)} shards written")
    return written


def _remove_others(directory: Path, names: Set[str]) -> None:
    for path in (directory / SHARDS).iterdir():
        if path.name not in names:
            shutil.rmtree(path)
