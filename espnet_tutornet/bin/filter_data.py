"""Join data directories and remove utterances that cannot be trained on."""

import argparse
from collections import Counter
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from espnet_tutornet.data.data_dir import Utterance, read_data_dir, write_data_dir
from espnet_tutornet.data.filtering import (
    Removed,
    filter_by_ctc,
    filter_by_duration,
    format_removed,
    read_removed,
)
from espnet_tutornet.data.tokens import load_encoder, read_tokens
from espnet_tutornet.data.transcripts import read_symbols
from espnet_tutornet.data.unknown import check_unknown
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Filter by duration (--fs, --min_wav_duration, "
        "--max_wav_duration), by the length of the CTC target (--token_list, "
        "--token_type, --configs with --fs), or both. <out_dir>/removed.tsv lists what "
        "was removed, here and before.",
    )
    parser.add_argument(
        "--data_dirs", nargs="*", default=[], help="Data directories to join"
    )
    parser.add_argument(
        "--unlabelled_dirs",
        nargs="*",
        default=[],
        help="Further ones, with utterances that have no transcript",
    )
    parser.add_argument("--out_dir", required=True, help="To write; may be read too")
    parser.add_argument("--fs", type=int, help="Sampling rate in Hz")
    group = parser.add_argument_group("duration")
    group.add_argument("--min_wav_duration", type=float, help="Seconds (default: 0)")
    group.add_argument("--max_wav_duration", type=float, help="Seconds (default: any)")
    group = parser.add_argument_group("CTC target")
    group.add_argument("--token_list", help="Path of tokens.txt")
    group.add_argument("--token_type", choices=("char", "bpe", "word"))
    group.add_argument("--bpemodel", help="Path of bpe.model, for bpe")
    group.add_argument(
        "--non_linguistic_symbols",
        default="",
        help="File of symbols, such as <noise>: a token each of char",
    )
    group.add_argument(
        "--configs",
        type=Path,
        nargs="+",
        help="Training configurations of students and teacher: the target has to fit "
        "into the frames of the encoder that makes the fewest",
    )
    group.add_argument(
        "--unk_max",
        type=float,
        default=1.0,
        help="Stop when more of the tokens are <unk> (percent, default: 1)",
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Join and filter data directories."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    _check(parser, args)
    utterances = [utt for path in args.data_dirs for utt in read_data_dir(path)]
    for path in args.unlabelled_dirs:
        utterances += read_data_dir(path, needs_text=False)
    data_dirs = [*args.data_dirs, *args.unlabelled_dirs]
    rows = [
        row
        for data_dir in data_dirs
        for row in read_removed(Path(data_dir) / "removed.tsv")
    ]
    kept, removed, frames = _filter(utterances, args)
    counts = Counter(row.reason for row in removed)
    summary = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    if not kept:
        raise ValueError(
            f"{', '.join(data_dirs)}: every utterance would be removed "
            f"({summary}){frames}. Check the limits and the sampling rate."
        )
    extra = {"removed.tsv": format_removed(rows + removed)}
    write_data_dir(args.out_dir, kept, extra, needs_text=not args.unlabelled_dirs)
    print(
        f"{args.out_dir}: kept {len(kept)}, removed {len(removed)} ({summary or '-'})"
        f"{frames}"
    )


def _filter(
    utterances: List[Utterance], args: argparse.Namespace
) -> Tuple[List[Utterance], List[Removed], str]:
    """Return what is kept, what is not, and where the number of frames comes from."""
    kept, removed, frames = utterances, [], ""
    if args.min_wav_duration is not None or args.max_wav_duration is not None:
        low = 0.0 if args.min_wav_duration is None else args.min_wav_duration
        high = float("inf") if args.max_wav_duration is None else args.max_wav_duration
        kept, removed = filter_by_duration(kept, args.fs, low, high)
    if args.token_list is not None:
        symbols = read_symbols(args.non_linguistic_symbols)
        encode = load_encoder(args.token_type, args.bpemodel, symbols)
        vocabulary = read_tokens(args.token_list)
        texts = [utt.text for utt in kept]
        print(check_unknown(args.out_dir, texts, encode, vocabulary, args.unk_max))
        samples, lost, frames = _frame_shift(args.configs, args.fs)
        kept, dense = filter_by_ctc(kept, encode, vocabulary, samples, lost)
        removed += dense
    return kept, removed, frames


def _frame_shift(configs: Sequence[Path], fs: int) -> Tuple[int, int, str]:
    # loads ESPnet, which takes seconds, and is not needed for durations
    from espnet_tutornet.student.frame_shift import largest_frame_shift

    shift = largest_frame_shift(configs, fs)
    return shift.samples, shift.lost, f"; {shift.describe(fs)}"


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if not (args.data_dirs or args.unlabelled_dirs):
        parser.error("give --data_dirs, --unlabelled_dirs, or both")
    durations = args.min_wav_duration is not None or args.max_wav_duration is not None
    if (durations or args.configs is not None) != (args.fs is not None):
        parser.error(
            "--fs goes with --min_wav_duration, --max_wav_duration or --configs"
        )
    needed = (args.token_list, args.token_type, args.configs)
    if any(n is None for n in needed) and any(n is not None for n in needed):
        parser.error("--token_list, --token_type and --configs go together")
    if args.token_type == "bpe" and args.bpemodel is None:
        parser.error("--token_type bpe needs --bpemodel")
    if not durations and args.token_list is None:
        parser.error("nothing to do: give --fs with a duration, or --token_list")


if __name__ == "__main__":
    main()
