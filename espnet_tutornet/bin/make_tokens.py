"""Make a token list, or take over a teacher's."""

import argparse
from typing import Optional, Sequence

from espnet_tutornet.data.tokens import (
    MODEL_TYPES,
    copy_teacher_tokens,
    make_token_list,
)
from espnet_tutornet.data.transcripts import read_symbols
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Write tokens.txt, token_type (char or bpe) and, for bpe, "
        "bpe.model and bpe.vocab: from transcripts, or from a teacher's config.yaml.",
    )
    parser.add_argument("--out_dir", required=True, help="data/token_list/char, ...")
    parser.add_argument("--teacher_config", help="config.yaml of an ESPnet ASR model")
    parser.add_argument(
        "--seen_in",
        help="File text of a data directory: take those tokens alone that it uses",
    )
    group = parser.add_argument_group("from transcripts")
    group.add_argument("--text", help="File text of a data directory")
    group.add_argument("--token_type", choices=("char", *MODEL_TYPES))
    group.add_argument("--nbpe", type=int, help="Number of tokens for bpe, unigram")
    group.add_argument(
        "--non_linguistic_symbols",
        default="",
        help="File of symbols, such as <noise>: a token each",
    )
    return parser


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write one token list."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    symbols = read_symbols(args.non_linguistic_symbols)
    if args.teacher_config is not None:
        if (args.text, args.token_type, args.nbpe) != (None, None, None):
            parser.error("--teacher_config decides on --text, --token_type and --nbpe")
        source = (args.teacher_config, args.out_dir, args.seen_in)
        tokens = copy_teacher_tokens(*source, symbols)
    else:
        if args.seen_in is not None:
            parser.error("--seen_in takes some of a teacher's: give --teacher_config")
        if args.text is None or args.token_type is None:
            parser.error("give --teacher_config, or both --text and --token_type")
        if args.token_type in MODEL_TYPES and args.nbpe is None:
            parser.error(f"--token_type {args.token_type} needs --nbpe")
        tokens = make_token_list(
            args.text, args.out_dir, args.token_type, args.nbpe, symbols
        )
    print(f"{args.out_dir}: {len(tokens)} tokens")


if __name__ == "__main__":
    main()
