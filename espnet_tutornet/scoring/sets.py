"""Score the decoded sets of an experiment, once each, and hold one to a limit."""

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Optional, Sequence

from tqdm import tqdm

from espnet_tutornet.scoring.score import (
    COLUMNS,
    percentages,
    read_text,
    resolve_backend,
    score,
    to_characters,
)
from espnet_tutornet.utils.files import atomic_write

REMOVED = "non_linguistic_symbols"  # key of score.json: what was left out


def score_sets(
    dumpdir: Path,
    decode_dirs: Sequence[Path],
    backend: str,
    force: bool = False,
    nj: int = 1,
    symbols: Sequence[str] = (),
) -> int:
    """Score decoded sets, several side by side.

    Args:
        dumpdir: holds ``<set>/text``, the references.
        decode_dirs: as ``exp/student/decode_ctc_bs1/test_clean``.
        backend: one of :data:`espnet_tutornet.scoring.score.BACKENDS`.
        force: score again what is up to date.
        nj: processes side by side.
        symbols: non-linguistic ones, the longest first, that are not scored.

    Returns:
        How many were scored; the others were up to date.

    Raises:
        FileNotFoundError: a reference or a hypothesis is not there.
        ValueError: they do not fit together.
    """
    options = dict(backend=backend, force=force, symbols=symbols)
    one = partial(score_set, dumpdir, **options)
    bar = dict(total=len(decode_dirs), unit="set", disable=None)
    if nj < 2 or len(decode_dirs) < 2:
        return sum(tqdm(map(one, decode_dirs), **bar))
    # forks: nothing here has threads, and a new interpreter costs more than a set
    with ProcessPoolExecutor(min(nj, len(decode_dirs)), get_context("fork")) as pool:
        return sum(tqdm(pool.map(one, decode_dirs), **bar))


def score_set(
    dumpdir: Path,
    decode_dir: Path,
    backend: str,
    force: bool = False,
    symbols: Sequence[str] = (),
) -> bool:
    """Score one decoded set.

    Returns:
        False where score.json is newer than both texts, with the same ``symbols`` left
        out, and ``force`` is off.

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
        scored = json.loads(summary.read_text(encoding="utf-8"))
        if scored.get(REMOVED, []) == list(symbols):
            return False

    refs, hyps = read_text(ref_path), read_text(hyp_path)
    utt2spk = ref_path.with_name("utt2spk")
    speakers = None
    if utt2spk.is_file():
        known = read_text(utt2spk).items()
        speakers = {utt_id: words[0] for utt_id, words in known if words}
    report = {"set": name, "backend": resolve_backend(backend)}
    if symbols:
        report[REMOVED] = list(symbols)
    try:
        words = [
            {
                utt_id: [w for w in line if w not in symbols]
                for utt_id, line in t.items()
            }
            for t in (refs, hyps)
        ]
        report["wer"] = score(decode_dir / "score_wer", *words, backend, speakers)
        refs, hyps = (
            {utt_id: to_characters(line, symbols) for utt_id, line in texts.items()}
            for texts in (refs, hyps)
        )
        report["cer"] = score(decode_dir / "score_cer", refs, hyps, backend, speakers)
    except ValueError as error:
        raise ValueError(f"{hyp_path} against {ref_path}: {error}") from error
    with atomic_write(summary) as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    return True


def check_wer(path: Path, wer_max: float, measured: Optional[Path] = None) -> str:
    """Hold the WER of a scored set to a limit.

    Args:
        path: of its ``score.json``.
        wer_max: percent.
        measured: a ``measure.json``, for the real-time factor.

    Returns:
        What to say of it.

    Raises:
        RuntimeError: the WER is above the limit.
    """
    counts = json.loads(path.read_text(encoding="utf-8"))["wer"]
    wer = dict(zip(COLUMNS[2:], percentages(counts)))["Err"]
    if wer > wer_max:
        raise RuntimeError(
            f"WER of the teacher is {wer:.1f} %, expected at most {wer_max:.1f} % "
            f"({path}). Train it longer, bring another one (--teacher), "
            "or raise --teacher_wer_max."
        )
    said = f"{path.parent}: WER {wer:.1f} %, at most {wer_max:.1f} %"
    if measured is not None:
        rtf = json.loads(measured.read_text(encoding="utf-8"))["rtf"]
        said += f"; real-time factor {rtf:.4f}, greedy, on one CPU thread"
    return said
