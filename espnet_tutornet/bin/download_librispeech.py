#!/usr/bin/env python3
"""Download LibriSpeech, its 100 hours, or the mini LibriSpeech from OpenSLR."""

import argparse
from pathlib import Path

from espnet_tutornet.data.corpora import bring_librispeech
from espnet_tutornet.utils.archives import CORPORA, URL_BASE
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        description="Download and extract LibriSpeech. A download that was cut "
        "is continued; a split that is there is skipped.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--corpus", choices=sorted(CORPORA), required=True, help="what to download"
    )
    parser.add_argument(
        "--out_dir",
        type=Path,
        required=True,
        help="directory that gets the archives and LibriSpeech/<split>",
    )
    parser.add_argument(
        "--url_base",
        default=URL_BASE,
        help="address of OpenSLR's resources, or of a mirror of them",
    )
    return parser


@exit_on_error
def main(cmd=None, corpora=CORPORA):
    """Run the command.

    Args:
        cmd: arguments in place of those of the command line.
        corpora: table of archives in place of OpenSLR's.
    """
    args = get_parser().parse_args(cmd)
    archives = corpora[args.corpus]
    corpus_dir = bring_librispeech(archives, args.out_dir, args.url_base)
    print(f"--corpus_dir {corpus_dir}")
    print("splits:", *(archive.split for archive in archives))


if __name__ == "__main__":
    main()
