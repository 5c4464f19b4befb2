"""Format the sets of a recipe: audio, transcripts, and what is left without them."""

import argparse
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from espnet_tutornet.data.conversion import MIX
from espnet_tutornet.data.data_dir import (
    RawUtterance,
    Utterance,
    check_replaceable,
    write_data_dir,
)
from espnet_tutornet.data.formatting import format_sets
from espnet_tutornet.data.raw_dir import (
    AUDIO,
    check_set_names,
    mark_formatted,
    take_raw_dir,
)
from espnet_tutornet.data.transcripts import (
    TEXT_CASES,
    compose,
    hide_transcripts,
    read_symbols,
    rewrite_texts,
)
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write

CLEANERS = ("tacotron", "jaconv", "vietnamese", "korean_cleaner")  # of ESPnet
CLEANERS += ("whisper_en", "whisper_basic")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Format <datadir>/<set> for each set, and write <datadir>/fs: "
        "audio of one sampling rate and one channel in files of its own, transcripts "
        "in one case. The raw directories are kept in <datadir>/org; audio that has to "
        "change is written to <datadir>/audio. What is done is not done again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--datadir", type=Path, default=Path("data"))
    parser.add_argument("--sets", nargs="+", required=True, help="train_clean ...")
    parser.add_argument(
        "--unlabelled_sets", nargs="*", default=[], help="Those without transcripts"
    )
    parser.add_argument(
        "--num_labelled",
        type=int,
        help="So many utterances of --labelled_set keep their transcripts: also "
        "<datadir>/<set>_with<number> and <datadir>/<set>_without<number>",
    )
    parser.add_argument("--labelled_set", help="One of --sets")
    parser.add_argument(
        "--fs",
        default="auto",
        type=_sampling_rate,
        help="Sampling rate in Hz; audio of others is resampled. auto: that of the "
        "first file, and no other",
    )
    parser.add_argument(
        "--channel",
        default="",
        help=f"Of audio with several: {MIX}, or a number from 0; empty: {MIX}",
    )
    parser.add_argument(
        "--text_case",
        default="",
        choices=("", *TEXT_CASES),
        help="Of all transcripts; empty: as they are",
    )
    parser.add_argument(
        "--cleaner",
        default="",
        choices=("", *CLEANERS),
        help="ESPnet's, for all transcripts, before the case; empty: none",
    )
    parser.add_argument(
        "--non_linguistic_symbols",
        default="",
        help="File of symbols, such as <noise>, that case and cleaner leave alone",
    )
    parser.add_argument("--nj", type=int, default=1, help="Threads that convert audio")
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Format all sets, and write them once all are sound."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    labelled = _check_labelled(parser, args)
    wanted = {name: True for name in args.sets}
    wanted.update(dict.fromkeys(args.unlabelled_sets, False))
    check_set_names(wanted)
    for name in [*wanted, *labelled]:
        check_replaceable(args.datadir / name, "wav.scp")
    clean = _load_cleaner(args.cleaner) if args.cleaner else None
    symbols = read_symbols(args.non_linguistic_symbols)
    sets = {
        name: take_raw_dir(args.datadir, name, text) for name, text in wanted.items()
    }
    _count_composed(sets)
    for name, utterances in sets.items():
        sets[name] = rewrite_texts(utterances, args.text_case, clean, symbols)
    if labelled:  # an impossible number is an error before the audio is read
        hide_transcripts(sets[args.labelled_set], args.num_labelled)
    audio_dir, channel = args.datadir / AUDIO, args.channel or MIX
    done, fs = format_sets(sets, args.fs, channel, audio_dir, args.nj)
    data = {name: (done[name], text) for name, text in wanted.items()}
    if labelled:
        halves = hide_transcripts(done[args.labelled_set], args.num_labelled)
        data.update(zip(labelled, zip(halves, (True, False))))
    _write(args.datadir, data, fs)


def _write(out_dir: Path, data: Dict[str, Tuple[List[Utterance], bool]], fs: int):
    for name, (utterances, needs_text) in data.items():
        mark = mark_formatted(utterances)
        write_data_dir(out_dir / name, utterances, mark, needs_text)
        speakers = len({utt.speaker for utt in utterances})
        hours = sum(utt.num_samples for utt in utterances) / fs / 3600
        print(
            f"{out_dir / name}: {len(utterances)} utterances, {speakers} speakers, "
            f"{hours:.3f} h{'' if needs_text else ', without transcripts'}"
        )
    with atomic_write(out_dir / "fs") as f:
        print(fs, file=f)


def _count_composed(sets: Dict[str, List[RawUtterance]]) -> None:
    texts = [utt.text for utts in sets.values() for utt in utts if utt.text]
    changed = sum(text != compose(text) for text in texts)
    if changed:
        print(
            f"Unicode: letters of {changed} of {len(texts)} transcripts are composed "
            "(NFC)"
        )


def _check_labelled(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Tuple[str, ...]:
    """Return the names of the sets with and without transcripts, if any."""
    if (args.num_labelled is None) != (args.labelled_set is None):
        parser.error("--num_labelled and --labelled_set go together")
    if args.num_labelled is None:
        return ()
    name = args.labelled_set
    if name not in args.sets:
        parser.error(
            f"--labelled_set must be one of --sets, {' '.join(args.sets)}, got {name}"
        )
    return f"{name}_with{args.num_labelled}", f"{name}_without{args.num_labelled}"


def _load_cleaner(name: str) -> Callable[[str], str]:
    from espnet2.text.cleaner import TextCleaner  # loads much, and is seldom asked for

    clean = TextCleaner([name])
    try:
        clean("a")  # ESPnet misses what is not installed at the first text
    except RuntimeError as error:
        raise RuntimeError(
            f"cleaner {name}: {error}. Install what it needs, or take another: "
            f"{', '.join(CLEANERS)}."
        ) from error
    return clean


def _sampling_rate(value: str) -> Optional[int]:
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) == 0:
        raise argparse.ArgumentTypeError(
            f"expected auto or a rate in Hz, for example 8000, got {value!r}"
        )
    return int(value)


if __name__ == "__main__":
    main()
