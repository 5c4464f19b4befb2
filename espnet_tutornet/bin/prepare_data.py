"""Bring the sets of a corpus, and write them as raw data directories."""

import argparse
from pathlib import Path
from typing import Callable, List, Optional, Sequence

from espnet_tutornet.data.corpora.bring import NAMES, bring_corpus
from espnet_tutornet.data.corpora.kaldi import read_kaldi_set
from espnet_tutornet.data.corpora.librispeech import read_split
from espnet_tutornet.data.corpora.manifests import find_manifest, read_manifest
from espnet_tutornet.data.data_dir import RawUtterance, check_replaceable
from espnet_tutornet.data.raw_dir import ORG, check_set_names, write_raw_dir
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write a raw data directory for each set of a source, "
        "<out_dir>/org/<set>, from which format_data makes <out_dir>/<set>. A corpus "
        "that is known by its name is made, built or downloaded first, where it is not "
        "there.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--corpus_dir", help="Laid out as LibriSpeech; splits have - for _ of a set"
    )
    source.add_argument("--corpus", choices=NAMES, help="Brought to <downloads>")
    source.add_argument("--kaldi_dir", help="Holds a data directory for each set")
    source.add_argument(
        "--manifest",
        help="Holds SET.tsv, SET.jsonl or SET.json, or is a path with the word SET",
    )
    parser.add_argument(
        "--downloads", default="downloads", help="Gets corpora and their archives"
    )
    parser.add_argument(
        "--url_base", help="Mirror of OpenSLR's resources, or of GitHub for the digits"
    )
    parser.add_argument("--sets", required=True, nargs="+", help="train_clean ...")
    parser.add_argument(
        "--unlabelled_sets",
        nargs="*",
        default=[],
        help="Audio without transcripts: <out_dir>/org/<set>_unlabelled",
    )
    parser.add_argument("--out_dir", default="data")
    parser.add_argument(
        "--nj", type=int, default=1, help="Processes that make the mini corpus"
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Read all sets, and write them once all are sound."""
    args = get_parser().parse_args(cmd)
    wanted = {name: (name, True) for name in args.sets}
    for name in args.unlabelled_sets:
        wanted[f"{name}_unlabelled"] = name, False
    check_set_names(wanted)
    for name in wanted:
        check_replaceable(Path(args.out_dir, name), "wav.scp")
    read = _choose_reader(args)
    data = {name: read(*source) for name, source in wanted.items()}
    for name, utterances in data.items():
        folder = Path(args.out_dir, ORG, name)
        write_raw_dir(folder, utterances)
        print(f"{folder}: {len(utterances)} utterances")


def _choose_reader(
    args: argparse.Namespace,
) -> Callable[[str, bool], List[RawUtterance]]:
    """Return the function from a set's name to its utterances."""
    if args.kaldi_dir:
        return lambda name, text: read_kaldi_set(args.kaldi_dir, name, text)
    if args.manifest:
        return lambda name, text: read_manifest(
            find_manifest(args.manifest, name), text
        )
    corpus_dir = args.corpus_dir
    if args.corpus:
        corpus_dir = bring_corpus(args.corpus, args.downloads, args.nj, args.url_base)
    return lambda name, text: read_split(corpus_dir, name.replace("_", "-"), text)


if __name__ == "__main__":
    main()
