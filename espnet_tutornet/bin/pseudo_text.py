"""Take over a recogniser's text as transcripts, where it can be trusted."""

import argparse
from pathlib import Path
from typing import Callable, Optional, Sequence

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.tokens import load_encoder, read_tokens
from espnet_tutornet.data.transcripts import TEXT_CASES, read_symbols, rewrite_texts
from espnet_tutornet.student.frame_shift import largest_frame_shift
from espnet_tutornet.student.pseudo_text import Limits, find_refusal, write_pseudo
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--texts",
        nargs="+",
        type=Path,
        required=True,
        help="Kaldi's; ESPnet's score and token beside them are read, too",
    )
    parser.add_argument("--audio_dir", type=Path, required=True, help="All utterances")
    parser.add_argument("--out_dir", type=Path, required=True, help="What has a text")
    parser.add_argument("--out_dir_all", type=Path, required=True, help="All of them")
    parser.add_argument("--fs", type=int, required=True, help="Sampling rate in Hz")
    parser.add_argument("--labelled", action="store_true", help="Replace transcripts")
    parser.add_argument("--score_min", type=float, help="Per token, natural log")
    parser.add_argument("--rate_slack", type=float, default=Limits.rate_slack)
    parser.add_argument("--wer_max", type=float, default=Limits.wer_max)
    parser.add_argument("--text_case", choices=("", *TEXT_CASES), default="")
    parser.add_argument("--cleaner", default="", help="ESPnet's")
    parser.add_argument("--non_linguistic_symbols", default="", help="File of them")
    group = parser.add_argument_group("students")
    group.add_argument("--token_list", type=Path, required=True, help="tokens.txt")
    group.add_argument("--token_type", choices=("char", "bpe", "word"), required=True)
    group.add_argument("--bpemodel", help="Path of bpe.model, for bpe")
    group.add_argument("--configs", type=Path, nargs="+", required=True)
    return parser


def load_rewriter(
    text_case: str, cleaner: str, symbols: Sequence[str] = ()
) -> Callable[[str], str]:
    """Return what writes a text as the transcripts are written.

    Args:
        text_case: ``upper``, ``lower`` or empty.
        cleaner: of ESPnet's ``TextCleaner``, or empty.
        symbols: non-linguistic ones, which stay as they are.
    """
    clean = None
    if cleaner:
        from espnet2.text.cleaner import TextCleaner  # loads much

        clean = TextCleaner([cleaner])

    def rewrite(text: str) -> str:
        utterance = Utterance("pseudo", "text", "", 1, text)
        try:
            (written,) = rewrite_texts([utterance], text_case, clean, symbols)
        except ValueError:  # nothing is left
            return ""
        return written.text

    return rewrite


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write two data directories, and say what was taken and what was not."""
    args = get_parser().parse_args(cmd)
    symbols = read_symbols(args.non_linguistic_symbols)
    shift = largest_frame_shift(args.configs, args.fs)
    refuse = find_refusal(
        load_encoder(args.token_type, args.bpemodel, symbols),
        read_tokens(args.token_list),
        shift.samples,
        shift.lost,
    )
    outcome = write_pseudo(
        args.audio_dir,
        (args.out_dir, args.out_dir_all),
        args.texts,
        load_rewriter(args.text_case, args.cleaner, symbols),
        fs=args.fs,
        limits=Limits(args.score_min, args.rate_slack, args.wer_max),
        labelled_too=args.labelled,
        refuse=refuse,
    )
    print(outcome.describe())


if __name__ == "__main__":
    main()
