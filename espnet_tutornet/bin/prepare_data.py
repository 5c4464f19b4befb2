"""Bring a corpus, and turn its splits into data directories."""

import argparse
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from espnet_tutornet.data.corpora.bring import NAMES, bring_corpus
from espnet_tutornet.data.corpora.librispeech import read_split
from espnet_tutornet.data.data_dir import (
    Utterance,
    check_replaceable,
    write_data_dir,
)
from espnet_tutornet.data.transcripts import (
    TEXT_CASES,
    compose,
    hide_transcripts,
    rewrite_texts,
)
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write

CLEANERS = ("tacotron", "jaconv", "vietnamese", "korean_cleaner")  # of ESPnet
CLEANERS += ("whisper_en", "whisper_basic")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write a data directory for each split of a corpus that is laid "
        "out as LibriSpeech is: <out_dir>/<split with _ for ->, and <out_dir>/fs. "
        "A corpus that is known by its name is made, built or downloaded first, where "
        "it is not there.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--corpus_dir", help="Holds the splits")
    source.add_argument("--corpus", choices=NAMES, help="Brought to <downloads>")
    parser.add_argument(
        "--downloads", default="downloads", help="Gets corpora and their archives"
    )
    parser.add_argument(
        "--url_base", help="Mirror of OpenSLR's resources, or of GitHub for the digits"
    )
    parser.add_argument("--splits", required=True, nargs="+", help="train-clean ...")
    parser.add_argument(
        "--unlabelled_splits",
        nargs="*",
        default=[],
        help="Audio without transcripts: <out_dir>/<split>_unlabelled",
    )
    parser.add_argument(
        "--num_labelled",
        type=int,
        help="So many utterances of --labelled_split keep their transcripts: also "
        "<out_dir>/<split>_with<number> and <split>_without<number>",
    )
    parser.add_argument("--labelled_split", help="One of --splits")
    parser.add_argument(
        "--out_dir", default="data", help="Gets a directory for each split"
    )
    parser.add_argument(
        "--fs",
        default="auto",
        type=_sampling_rate,
        help="Sampling rate in Hz that every file must have; auto: as the first file",
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
        "--nj", type=int, default=1, help="Processes that make the mini corpus"
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Read all splits, and write them once all are sound."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    out_dir, labelled = Path(args.out_dir), _check_labelled(parser, args)
    wanted = {_name(split): (split, True) for split in args.splits}
    for split in args.unlabelled_splits:
        wanted[f"{_name(split)}_unlabelled"] = split, False
    for name in [*wanted, *labelled]:
        check_replaceable(out_dir / name, "wav.scp")
    clean = _load_cleaner(args.cleaner) if args.cleaner else None
    corpus_dir = args.corpus_dir
    if args.corpus:
        corpus_dir = bring_corpus(args.corpus, args.downloads, args.nj, args.url_base)
    fs, texts, data = args.fs, [], {}
    for name, (split, needs_text) in wanted.items():
        utterances, fs = read_split(corpus_dir, split, fs, needs_text)
        texts += [utt.text for utt in utterances if utt.text]
        data[name] = rewrite_texts(utterances, args.text_case, clean), needs_text
    if labelled:
        whole, _ = data[_name(args.labelled_split)]
        halves = hide_transcripts(whole, args.num_labelled)
        data.update(zip(labelled, zip(halves, (True, False))))
    changed = sum(text != compose(text) for text in texts)
    if changed:
        print(
            f"Unicode: letters of {changed} of {len(texts)} transcripts are composed "
            "(NFC)"
        )
    _write(out_dir, data, fs)


def _write(out_dir: Path, data: Dict[str, Tuple[List[Utterance], bool]], fs: int):
    for name, (utterances, needs_text) in data.items():
        write_data_dir(out_dir / name, utterances, needs_text=needs_text)
        speakers = len({utt.speaker for utt in utterances})
        hours = sum(utt.num_samples for utt in utterances) / fs / 3600
        print(
            f"{out_dir / name}: {len(utterances)} utterances, {speakers} speakers, "
            f"{hours:.3f} h{'' if needs_text else ', without transcripts'}"
        )
    with atomic_write(out_dir / "fs") as f:
        print(fs, file=f)


def _name(split: str) -> str:
    return split.replace("-", "_")


def _check_labelled(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Tuple[str, ...]:
    """Return the names of the sets with and without transcripts, if any."""
    if (args.num_labelled is None) != (args.labelled_split is None):
        parser.error("--num_labelled and --labelled_split go together")
    if args.num_labelled is None:
        return ()
    name = _name(args.labelled_split)
    if name not in map(_name, args.splits):
        parser.error(
            f"--labelled_split must be one of --splits, {' '.join(args.splits)}, got "
            f"{args.labelled_split}"
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
