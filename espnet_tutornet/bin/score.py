"""Score decoded sets, WER and CER as ESPnet's asr.sh reports them."""

import argparse
from pathlib import Path

from espnet_tutornet.data.transcripts import read_symbols
from espnet_tutornet.scoring.score import BACKENDS
from espnet_tutornet.scoring.sets import check_wer, score_sets
from espnet_tutornet.utils.command import exit_on_error


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(
        description="Score <decode_dir>/text against <dumpdir>/<set>/text, where the "
        "set is the last component of decode_dir. Writes score_wer/, score_cer/ and "
        "then score.json into decode_dir.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--dumpdir", type=Path, default=Path("dump"))
    parser.add_argument(
        "--decode_dirs",
        type=Path,
        nargs="+",
        required=True,
        help="such as exp/student/decode_ctc_greedy/test_clean",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="auto is sclite where it is installed; the numbers are equal",
    )
    parser.add_argument(
        "--force", action="store_true", help="score again what is up to date"
    )
    parser.add_argument("--nj", type=int, default=1, help="sets side by side")
    parser.add_argument(
        "--non_linguistic_symbols",
        default="",
        help="file of symbols, such as <noise>, that are left out",
    )
    group = parser.add_argument_group("is the teacher fit to teach?")
    group.add_argument(
        "--wer_max", type=float, help="stop when the WER is above, in percent"
    )
    group.add_argument(
        "--measure", type=Path, help="a measure.json, to tell the real-time factor"
    )
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Score every decode directory and tell what was done."""
    args = get_parser().parse_args(cmd)
    folders = args.decode_dirs
    symbols = read_symbols(args.non_linguistic_symbols)
    scored = score_sets(
        args.dumpdir, folders, args.backend, args.force, args.nj, symbols
    )
    print(f"Scored {scored} decoded sets; {len(folders) - scored} were up to date.")
    if args.wer_max is not None:
        for folder in folders:
            print(check_wer(folder / "score.json", args.wer_max, args.measure))


if __name__ == "__main__":
    main()
