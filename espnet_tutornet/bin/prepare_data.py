"""Turn splits in LibriSpeech's layout into data directories."""

import argparse
from pathlib import Path
from typing import Callable, Optional, Sequence

from espnet_tutornet.data.data_dir import check_replaceable, write_data_dir
from espnet_tutornet.data.librispeech import read_split
from espnet_tutornet.data.transcripts import TEXT_CASES, compose, rewrite_texts
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write

CLEANERS = ("tacotron", "jaconv", "vietnamese", "korean_cleaner")  # of ESPnet
CLEANERS += ("whisper_en", "whisper_basic")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write a data directory for each split of a corpus that is laid "
        "out as LibriSpeech is: <out_dir>/<split with _ for ->, and <out_dir>/fs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--corpus_dir", required=True, help="Holds the splits")
    parser.add_argument("--splits", required=True, nargs="+", help="train-clean ...")
    parser.add_argument(
        "--unlabelled_splits",
        nargs="*",
        default=[],
        help="Audio without transcripts: <out_dir>/<split>_unlabelled",
    )
    parser.add_argument("--out_dir", default="data", help="Gets a directory a split")
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
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Read all splits, and write them once all are sound."""
    args = get_parser().parse_args(cmd)
    out_dir, fs, data = Path(args.out_dir), args.fs, {}
    clean = _load_cleaner(args.cleaner) if args.cleaner else None
    texts = []
    wanted = [(split, True) for split in args.splits]
    wanted += [(split, False) for split in args.unlabelled_splits]
    for split, needs_text in wanted:
        name = split.replace("-", "_") + ("" if needs_text else "_unlabelled")
        check_replaceable(out_dir / name, "wav.scp")
        utterances, fs = read_split(args.corpus_dir, split, fs, needs_text)
        texts += [utt.text for utt in utterances if utt.text]
        utterances = rewrite_texts(utterances, args.text_case, clean)
        data[out_dir / name] = utterances, needs_text
    changed = sum(text != compose(text) for text in texts)
    if changed:
        print(
            f"Unicode: letters of {changed} of {len(texts)} transcripts are composed "
            "(NFC)"
        )
    for path, (utterances, needs_text) in data.items():
        write_data_dir(path, utterances, needs_text=needs_text)
        speakers = len({utt.speaker for utt in utterances})
        hours = sum(utt.num_samples for utt in utterances) / fs / 3600
        print(
            f"{path}: {len(utterances)} utterances, {speakers} speakers, {hours:.3f} h"
        )
    with atomic_write(out_dir / "fs") as f:
        print(fs, file=f)


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
