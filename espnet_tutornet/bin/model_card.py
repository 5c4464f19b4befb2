"""Write the model cards of students: <expdir>/<run>/MODEL_CARD.md."""

import argparse
from pathlib import Path
from typing import Dict

import yaml

from espnet_tutornet.experiment.card import CARD, format_card
from espnet_tutornet.experiment.results import Run, read_runs
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(
        description="Write <expdir>/<run>/MODEL_CARD.md from what stage 13 measured "
        "and scored; pack_student packs it. A card that says the same stays as it is."
    )
    parser.add_argument("--expdir", type=Path, default=Path("exp"))
    parser.add_argument("--runs", nargs="+", required=True, help="Names of students")
    parser.add_argument(
        "--inference_config",
        type=Path,
        required=True,
        help="decode_<name>.yaml that the scores were made with",
    )
    parser.add_argument(
        "--use_streaming",
        choices=("true", "false"),
        default="false",
        help="Whether asr_inference_streaming made them",
    )
    parser.add_argument("--sim_chunk_length", type=int, default=0, help="If it did")
    return parser


@exit_on_error
def main(cmd=None) -> None:
    """Write the cards and say how many changed."""
    args = get_parser().parse_args(cmd)
    inference = args.inference_config.stem.removeprefix("decode_")
    decoding = yaml.safe_load(args.inference_config.read_text(encoding="utf-8"))
    if args.use_streaming == "true":
        decoding["sim_chunk_length"] = args.sim_chunk_length
    found, _ = read_runs(args.expdir)
    runs = {run.name: run for run in found if run.inference == inference}
    written = 0
    for name in args.runs:
        student = _find(runs, name, args.expdir)
        teacher = _find(runs, student.teacher, args.expdir)
        card = format_card(student, teacher, args.expdir / name, decoding)
        written += _write_if_new(args.expdir / name / CARD, card)
    print(f"{written} of {len(args.runs)} model cards written anew")


def _find(runs: Dict[str, Run], name: str, expdir: Path) -> Run:
    if name not in runs:
        raise FileNotFoundError(
            f"{expdir / name}: no score.json of this --inference_config. Run stages 12 "
            "(decoding) and 13 (scoring) first."
        )
    return runs[name]


def _write_if_new(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False  # so that nothing is packed again
    with atomic_write(path) as f:
        f.write(text)
    return True


if __name__ == "__main__":
    main()
