"""Write a teacher's outputs for whole data directories, once, for every student."""

import argparse
import hashlib
import re
from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence, Tuple

from espnet_tutornet.cache.forms import VALUE_BYTES
from espnet_tutornet.cache.manifest import FILE, read_manifest
from espnet_tutornet.cache.store import check_shards, checksum
from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.teacher.cluster import BACKENDS
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.lock import hold

WAV_SCP = "wav.scp"


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
    parser.add_argument(
        "--stock_padding",
        action="store_true",
        help="Ask in padded batches as ESPnet does, also where that changes outputs",
    )
    parser.add_argument(
        "--check_dir",
        type=Path,
        help="One of --data_dirs with text: the WER of what is kept of it is told",
    )
    parser.add_argument(
        "--check_decoded",
        type=Path,
        help="Its best paths by the teacher alone (text): the two WERs must be near",
    )
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
    form, codes = parse_form(args.hidden_form)
    with hold(args.out_dir, "another dump"):
        lengths = _gather(args.data_dirs, args.out_dir)
        request = _request(args, lengths)
        if _is_complete(args.out_dir, request):
            print(f"{args.out_dir}: {len(lengths)} utterances, nothing to do")
            _check(args)
            return
        # here and not above: 8 s of ESPnet, for nothing where there is nothing to do
        from espnet_tutornet.teacher.dump import Keep, Source, Workers, dump

        source = Source(
            config=args.teacher_config,
            model=args.teacher_model,
            wav_scp=str(args.out_dir / WAV_SCP),
            layers=tuple(args.layers),
            posteriors=args.top_k > 0,
            batch_frames=args.batch_frames,
            ngpu=args.ngpu,
            masked=not args.stock_padding,
        )
        keep = Keep(form, codes, args.top_k, args.shard_utterances, args.fs)
        workers = Workers(args.backend, args.nj, args.backend_conf)
        manifest = dump(args.out_dir, source, keep, lengths, workers, request)
        _check(args)
    size = sum(sum(shard.sizes.values()) for shard in manifest.shards)
    print(
        f"{args.out_dir}: {manifest.utterances} utterances, {manifest.frames} frames, "
        f"{size / 1e6:.1f} MB, {size / manifest.frames:.1f} bytes a frame"
    )


def _check(args: argparse.Namespace) -> None:
    """Compare what is kept with the teacher; a cache that fails is none."""
    if args.check_dir is None:
        return
    from espnet_tutornet.teacher.check import check_posteriors  # loads torch

    try:
        what = (args.out_dir, args.check_dir, args.check_decoded)
        print(*check_posteriors(*what, _token_type(args.teacher_config)), sep="\n")
    except RuntimeError:
        (args.out_dir / FILE).unlink()  # nobody shall learn from it
        raise


def _token_type(config: str) -> str:
    """Read one key of a configuration of thousands of lines."""
    text = Path(config).read_text(encoding="utf-8")
    match = re.search(r"^token_type: *(\w+)", text, re.M)
    return match[1] if match else ""


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
    lines = "".join(f"{utt_id} {wavs[utt_id]}\n" for utt_id in sorted(wavs))
    path = out_dir / WAV_SCP
    if not path.is_file() or path.read_text(encoding="utf-8") != lines:
        with atomic_write(path) as f:
            f.write(lines)
    return lengths


def _request(args: argparse.Namespace, lengths: Mapping[str, int]) -> str:
    """Hash everything that decides what the cache will hold."""
    files = (args.teacher_config, args.teacher_model, args.out_dir / WAV_SCP)
    options = [args.layers, args.hidden_form, args.top_k, args.shard_utterances]
    options.append(args.stock_padding)
    facts = [[checksum(Path(file)) for file in files], options, sorted(lengths.items())]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _is_complete(directory: Path, request: str) -> bool:
    try:
        manifest = read_manifest(directory)
        check_shards(directory, manifest, thorough=True)
    except (FileNotFoundError, ValueError, RuntimeError):
        return False
    return manifest.request == request


if __name__ == "__main__":
    main()
