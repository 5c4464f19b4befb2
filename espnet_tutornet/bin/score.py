"""Score decoded test sets: WER and CER as ESPnet's asr.sh reports them."""

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from espnet_tutornet.scoring.score import (
    BACKENDS,
    read_text,
    resolve_backend,
    score,
    to_characters,
)
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write


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
    return parser


def score_set(dumpdir: Path, decode_dir: Path, backend: str, force: bool) -> bool:
    """Score one decoded set.

    Returns:
        False where score.json is newer than both texts and ``force`` is off.

    Raises:
        FileNotFoundError: the reference or the hypothesis is not there.
        ValueError: they do not fit together.
    """
    name = decode_dir.resolve().name
    ref_path, hyp_path = dumpdir / name / "text", decode_dir / "text"
    hints = ((ref_path, "Prepare the set"), (hyp_path, "Decode the set"))
    for path, hint in hints:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: not found. {hint} before scoring it.")
    summary = decode_dir / "score.json"
    newest = max(ref_path.stat().st_mtime, hyp_path.stat().st_mtime)
    if not force and summary.is_file() and summary.stat().st_mtime > newest:
        return False

    refs, hyps = read_text(ref_path), read_text(hyp_path)
    utt2spk = ref_path.with_name("utt2spk")
    speakers = None
    if utt2spk.is_file():
        known = read_text(utt2spk).items()
        speakers = {utt_id: words[0] for utt_id, words in known if words}
    report = {"set": name, "backend": resolve_backend(backend)}
    try:
        report["wer"] = score(decode_dir / "score_wer", refs, hyps, backend, speakers)
        refs, hyps = (
            {utt_id: to_characters(words) for utt_id, words in texts.items()}
            for texts in (refs, hyps)
        )
        report["cer"] = score(decode_dir / "score_cer", refs, hyps, backend, speakers)
    except ValueError as error:
        raise ValueError(f"{hyp_path} against {ref_path}: {error}") from error
    with atomic_write(summary) as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    return True


@exit_on_error
def main(cmd=None) -> None:
    """Score every decode directory and tell what was done."""
    args = get_parser().parse_args(cmd)
    scored = 0
    for decode_dir in tqdm(args.decode_dirs, unit="set", disable=None):
        scored += score_set(args.dumpdir, decode_dir, args.backend, args.force)
    kept = len(args.decode_dirs) - scored
    print(f"Scored {scored} decoded sets; {kept} were up to date.")


if __name__ == "__main__":
    main()
