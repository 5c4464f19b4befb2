"""Write a teacher's outputs for whole data directories, once, for every student."""

import argparse
import fcntl
import hashlib
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Dict,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from distributed import as_completed
from tqdm import tqdm

from espnet_tutornet.bin.command import exit_on_error
from espnet_tutornet.recipe.data_dir import read_two_columns
from espnet_tutornet.recipe.files import atomic_write
from espnet_tutornet.teacher.cache import (
    CODEBOOKS,
    SHARDS,
    check_shards,
    checksum,
    codebooks_inputs,
    damage,
    finish_cache,
    read_shard,
    save_codebooks,
)
from espnet_tutornet.teacher.cluster import BACKENDS, start_client
from espnet_tutornet.teacher.forms import VALUE_BYTES
from espnet_tutornet.teacher.manifest import FILE, Manifest, Shard, read_manifest

if TYPE_CHECKING:
    from espnet_tutornet.teacher.dump import Listener, Part, Source

WAV_SCP = "wav.scp"
PER_UTTERANCE = 60  # bytes of headers and index lines an utterance and stream


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--teacher_config", required=True, help="ESPnet's config.yaml")
    parser.add_argument("--teacher_model", required=True, help="Its .pth")
    parser.add_argument("--data_dirs", nargs="+", required=True, type=Path)
    parser.add_argument("--out_dir", required=True, type=Path, help="The cache")
    parser.add_argument("--fs", type=int, help="Of the audio in Hz")
    parser.add_argument("--layers", nargs="*", default=["last"], help="Encoder layers")
    parser.add_argument(
        "--hidden_form",
        default="pq32",
        help="two_byte, one_byte, or pq and its bytes a frame, as pq32",
    )
    parser.add_argument("--top_k", type=int, default=8, help="Posteriors; 0: none")
    parser.add_argument("--shard_utterances", type=int, default=250)
    parser.add_argument("--batch_frames", type=int, default=3000, help="Of the teacher")
    parser.add_argument("--nj", type=int, default=1, help="Worker processes")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs of a machine")
    parser.add_argument("--backend", choices=BACKENDS, default="local")
    parser.add_argument(
        "--backend_conf", type=Path, help="yaml: arguments of dask_jobqueue's cluster"
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Dump what is missing or damaged; a complete cache is left as it is."""
    args = get_parser().parse_args(cmd)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(args.out_dir):
        lengths = _gather(args.data_dirs, args.out_dir)
        request = _request(args, lengths)
        if _is_complete(args.out_dir, request):
            print(f"{args.out_dir}: {len(lengths)} utterances, nothing to do")
        else:
            dump(args, lengths, request)


def dump(args: argparse.Namespace, lengths: Mapping[str, int], request: str) -> None:
    """Plan, forecast, learn codebooks, spread the shards, join them.

    Args:
        args: of the command.
        lengths: utterance id -> audio samples.
        request: see :class:`Manifest`.

    Raises:
        RuntimeError: the disk cannot hold the forecast.
        ValueError: an unknown form; audio of another rate than the teacher's.
    """
    # here and not above: 8 s of ESPnet, for nothing where there is nothing to do
    from espnet_tutornet.teacher.dump import Listener, Source, plan_parts

    form, codes = parse_form(args.hidden_form)
    source = Source(
        config=args.teacher_config,
        model=args.teacher_model,
        wav_scp=str(args.out_dir / WAV_SCP),
        layers=tuple(args.layers),
        posteriors=args.top_k > 0,
        batch_frames=args.batch_frames,
        ngpu=args.ngpu,
    )
    listener = Listener(source, "cuda:0" if args.ngpu else "cpu")
    _check_fs(args.fs, listener.teacher.fs)
    plan = listener.manifest(form, codes, args.top_k)
    codebooks = _codebooks(args.out_dir, listener, plan, lengths)
    parts = plan_parts(lengths, args.shard_utterances, plan, codebooks)
    todo = [part for part in parts if not _is_done(args.out_dir, part)]
    _check_disk(args.out_dir, plan, todo, lengths)
    (args.out_dir / FILE).unlink(missing_ok=True)  # not a cache until it is complete
    written = _spread(args, source, plan, todo, lengths)
    shards = [written.get(p.name) or read_shard(args.out_dir, p.name) for p in parts]
    _remove_others(args.out_dir, {part.name for part in parts})
    manifest = finish_cache(args.out_dir, replace(plan, request=request), shards)
    size = sum(sum(shard.sizes.values()) for shard in shards)
    print(
        f"{args.out_dir}: {manifest.utterances} utterances, {manifest.frames} frames, "
        f"{size / 1e6:.1f} MB, {size / manifest.frames:.1f} bytes a frame"
    )


def parse_form(text: str) -> Tuple[str, int]:
    """Split ``pq32`` into the form and its bytes a frame.

    Raises:
        ValueError: an unknown form.

    Example:
        >>> parse_form("pq32"), parse_form("two_byte")
        (('pq', 32), ('two_byte', 0))
    """
    match = re.fullmatch(r"pq([1-9][0-9]*)", text)
    if match:
        return "pq", int(match[1])
    if text not in VALUE_BYTES:
        raise ValueError(
            f"--hidden_form must be one of {sorted(VALUE_BYTES)} or pq and a number of "
            f"bytes, as pq32, got {text!r}."
        )
    return text, 0


def _check_fs(corpus: Optional[int], teacher: Optional[int]) -> None:
    if None not in (corpus, teacher) and corpus != teacher:
        raise ValueError(
            f"the audio is at {corpus} Hz, but the teacher was trained at {teacher} "
            "Hz. Resample the corpus to the teacher's rate, or bring another teacher."
        )


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"another process writes {directory} (it holds {directory}/.lock). "
                "Wait for it, or stop it."
            ) from None
        yield


def _gather(data_dirs: Sequence[Path], out_dir: Path) -> Dict[str, int]:
    """Write one wav.scp over all directories; return the lengths in samples."""
    wavs: Dict[str, str] = {}
    lengths: Dict[str, int] = {}
    for directory in data_dirs:
        found = read_two_columns(directory / "wav.scp")
        twice = sorted(set(found) & set(wavs))
        if twice:
            raise ValueError(
                f"{directory}: {twice[:5]} come in another of --data_dirs too. One "
                "cache needs ids that differ."
            )
        wavs.update(found)
        samples = read_two_columns(directory / "utt2num_samples")
        lengths.update((utt_id, int(samples[utt_id])) for utt_id in found)
    if not wavs:
        raise ValueError(f"{data_dirs}: no utterances. Run the earlier stages.")
    with atomic_write(out_dir / WAV_SCP) as f:
        f.writelines(f"{utt_id} {wavs[utt_id]}\n" for utt_id in sorted(wavs))
    return lengths


def _is_done(directory: Path, part: "Part") -> bool:
    shard = read_shard(directory, part.name)
    if shard is None or shard.inputs != part.inputs:
        return False
    problem = damage(directory, shard, thorough=True)
    if problem:
        print(f"{problem}: shard {part.name} is made again")
    return problem is None


def _request(args: argparse.Namespace, lengths: Mapping[str, int]) -> str:
    """Hash everything that decides what the cache will hold."""
    files = (args.teacher_config, args.teacher_model, args.out_dir / WAV_SCP)
    options = (args.layers, args.hidden_form, args.top_k, args.shard_utterances)
    facts = [[checksum(Path(file)) for file in files], options, sorted(lengths.items())]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _is_complete(directory: Path, request: str) -> bool:
    try:
        manifest = read_manifest(directory)
        check_shards(directory, manifest, thorough=True)
    except (FileNotFoundError, ValueError, RuntimeError):
        return False
    return manifest.request == request


def _codebooks(
    directory: Path, listener: "Listener", plan: Manifest, lengths: Mapping[str, int]
) -> str:
    """Learn the codebooks unless those of this plan are there; return their hash."""
    from espnet_tutornet.teacher.dump import hash_of, sample_codebooks

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
    todo: Sequence["Part"],
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
    args: argparse.Namespace,
    source: "Source",
    plan: Manifest,
    todo: Sequence["Part"],
    lengths: Mapping[str, int],
) -> Dict[str, Shard]:
    """Run the shards on the workers; return those written."""
    from espnet_tutornet.teacher.dump import dump_part

    if not todo:
        return {}
    total = sum(lengths[utt_id] for part in todo for utt_id in part.utt_ids)
    written: Dict[str, Shard] = {}
    with start_client(args.backend, args.nj, args.backend_conf) as client:
        futures = {}
        for number, part in enumerate(todo):
            own = {utt_id: lengths[utt_id] for utt_id in part.utt_ids}
            task = (str(args.out_dir), source, plan, part, own, number)
            futures[client.submit(dump_part, *task, pure=False)] = sum(own.values())
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


if __name__ == "__main__":
    main()
