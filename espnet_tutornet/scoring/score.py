"""Word and character error rates, by sclite or by its alignment in numpy.

sclite minimises 4 * substitutions + 3 * deletions + 3 * insertions and compares
letters without regard to ASCII case. Several alignments can share the smallest
cost and yet count different errors (``A B C`` against ``X Y A``: three
substitutions, or one hit, two deletions and two insertions), so :func:`align` also
follows its choice among them, and both backends report the same numbers.
"""

import re
import subprocess
from pathlib import Path
from shutil import which
from typing import Dict, List, Optional, Sequence, Tuple, Union

from espnet_tutornet.scoring.alignment import align
from espnet_tutornet.utils.files import atomic_dir

COLUMNS = ("Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")
BACKENDS = ("auto", "sclite", "internal")

Texts = Dict[str, List[str]]
Counts = Dict[str, int]


def read_text(path: Union[str, Path]) -> Texts:
    """Read a Kaldi ``text`` file into words by utterance id.

    Raises:
        ValueError: the file has no line, a line has no id, or an id comes twice.
    """
    texts: Texts = {}
    with Path(path).open(encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            utt_id, *words = line.split() or [""]
            if not utt_id or utt_id in texts:
                found = f"{utt_id!r} again" if utt_id else "an empty line"
                raise ValueError(
                    f"{path}:{number}: expected a new utterance id and its words, "
                    f"got {found}. Write this file anew."
                )
            texts[utt_id] = words
    if not texts:
        raise ValueError(f"{path}: expected lines of `utt_id words...`, got none.")
    return texts


def check_pairs(refs: Texts, hyps: Texts) -> None:
    """Refuse texts that do not hold the same utterances, or hold no word at all."""
    missing = sorted(refs.keys() - hyps.keys())
    extra = sorted(hyps.keys() - refs.keys())
    for ids, fault in ((missing, "no hypothesis"), (extra, "no reference")):
        if ids:
            shown = " ".join(ids[:5]) + (" ..." if len(ids) > 5 else "")
            raise ValueError(
                f"{len(ids)} utterances have {fault}: {shown}. Expected the same "
                f"{len(refs)} ids in both. Decode the set anew."
            )
    if not any(refs.values()):
        raise ValueError("The references hold no word: an error rate needs at least 1.")


def to_characters(words: Sequence[str], symbols: Sequence[str] = ()) -> List[str]:
    """Split words into characters with ``<space>`` between words.

    Args:
        words: of an utterance.
        symbols: non-linguistic ones, the longest first, that are left out, with the
            space beside them, as by ESPnet 202611. ESPnet 202511 counts both spaces.

    Example:
        >>> to_characters(["A", "BC", "<um>"], ["<um>"])
        ['A', '<space>', 'B', 'C']
    """
    text = " ".join(words)
    if symbols:
        text = re.sub("|".join(map(re.escape, symbols)), "", text)
        text = " ".join(text.split())
    return ["<space>" if char == " " else char for char in text]


def count(operations: Sequence[str]) -> Counts:
    """Add up aligned utterances into sclite's columns, as counts."""
    corr, sub, deleted, ins = (
        sum(one.count(letter) for one in operations) for letter in "CSDI"
    )
    wrong = sum(one.count("C") < len(one) for one in operations)
    errors = sub + deleted + ins
    values = (len(operations), corr + sub + deleted, corr, sub, deleted, ins)
    return dict(zip(COLUMNS, (*values, errors, wrong)))


def percentages(counts: Counts) -> List[float]:
    """Return Corr, Sub, Del, Ins, Err (of words) and S.Err (of utterances)."""
    words = counts["Wrd"] or 1  # a speaker may have said nothing
    rates = [100 * counts[name] / words for name in COLUMNS[2:7]]
    return rates + [100 * counts["S.Err"] / counts["Snt"]]


def find_sclite() -> Optional[str]:
    """Find sclite on PATH or in Debian's ``sctk``, which keeps it off PATH."""
    found = which("sclite")
    if found is None and which("dpkg"):
        listing = subprocess.run(
            ["dpkg", "-L", "sctk"], capture_output=True, text=True, check=False
        )
        lines = listing.stdout.splitlines()
        found = next((line for line in lines if line.endswith("/sclite")), None)
    return found


def resolve_backend(backend: str) -> str:
    """Turn ``auto`` into ``sclite`` where it is installed, else ``internal``."""
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {backend!r}.")
    if backend == "auto":
        return "sclite" if find_sclite() else "internal"
    if backend == "sclite" and not find_sclite():
        raise FileNotFoundError(
            "sclite is neither on PATH nor in the Debian package sctk. Install it "
            "(apt-get install sctk) or use --backend internal: the numbers are equal."
        )
    return backend


def score(
    directory: Union[str, Path],
    refs: Texts,
    hyps: Texts,
    backend: str = "auto",
    speakers: Optional[Dict[str, str]] = None,
) -> Counts:
    """Score token lists and write ref.trn, hyp.trn and result.txt to ``directory``.

    Args:
        directory: replaced as a whole, ESPnet's ``score_wer`` or ``score_cer``.
        refs: tokens by utterance id.
        hyps: tokens by the same ids; an empty list is all deletions.
        backend: ``auto``, ``sclite`` or ``internal``.
        speakers: speaker by utterance id, as in ``utt2spk``; default: the id.

    Returns:
        Counts under the names in ``COLUMNS``.

    Raises:
        ValueError: the ids differ, no reference word, or text that sclite would
            read as markup.
    """
    check_pairs(refs, hyps)
    backend = resolve_backend(backend)
    speakers = speakers or {}
    labels = {utt_id: f"{speakers.get(utt_id, utt_id)}-{utt_id}" for utt_id in refs}
    with atomic_dir(directory) as new:
        for name, texts in (("ref.trn", refs), ("hyp.trn", hyps)):
            lines = (f"{' '.join(texts[u])} ({label})\n" for u, label in labels.items())
            (new / name).write_text("".join(lines), encoding="utf-8")
        if backend == "sclite":
            _refuse_markup(refs, hyps)
            return _run_sclite(new, len(refs))
        operations = dict(
            zip(refs, align(list(refs.values()), [hyps[u] for u in refs]))
        )
        report = _format_report(labels, refs, hyps, operations)
        (new / "result.txt").write_text(report, encoding="utf-8")
        return count(list(operations.values()))


def _refuse_markup(refs: Texts, hyps: Texts) -> None:
    """Refuse what a trn file cannot hold: alternatives, nulls and comments."""
    for texts in (refs, hyps):
        for utt_id, tokens in texts.items():
            comment = bool(tokens) and tokens[0].startswith((";;", "**"))
            if comment or any(token == "@" or "{" in token for token in tokens):
                raise ValueError(
                    f"Utterance {utt_id}: sclite reads `@`, `{{` and a leading `;;` or "
                    "`**` as markup. Use --backend internal, which counts them as text."
                )


def _run_sclite(directory: Path, size: int) -> Counts:
    """Run sclite as asr.sh does and read the counts from its report."""
    command = [find_sclite(), "-r", "ref.trn", "trn", "-h", "hyp.trn", "trn"]
    command += ["-i", "rm", "-o", "all", "stdout"]
    done = subprocess.run(command, cwd=directory, capture_output=True, check=False)
    (directory / "result.txt").write_bytes(done.stdout)
    for line in done.stdout.decode(errors="replace").splitlines():
        cells = line.replace("|", " ").split()
        if cells[:1] == ["Sum"] and cells[1] == str(size):
            return dict(zip(COLUMNS, map(int, cells[1:])))
    raise RuntimeError(
        f"sclite (exit status {done.returncode}) reported no sum over {size} "
        f"utterances: {done.stderr.decode(errors='replace').strip()[-500:]} "
        "Try --backend internal."
    )


def _format_report(
    labels: Dict[str, str], refs: Texts, hyps: Texts, operations: Dict[str, str]
) -> str:
    """Lay out percentages, counts and every utterance in the manner of sclite."""
    by_speaker: Dict[str, List[str]] = {}
    for utt_id, label in labels.items():
        # sclite, too, takes what comes before the first hyphen.
        speaker = label.split("-")[0]
        by_speaker.setdefault(speaker, []).append(operations[utt_id])
    rows = [(name, count(ops)) for name, ops in sorted(by_speaker.items())]
    total = count(list(operations.values()))
    rates = [(name, counts, True) for name, counts in [*rows, ("Sum/Avg", total)]]
    sums = [(name, counts, False) for name, counts in [*rows, ("Sum", total)]]
    parts = ["SYSTEM SUMMARY PERCENTAGES by SPEAKER", _format_table(rates), ""]
    parts += ["SYSTEM SUMMARY COUNTS by SPEAKER", _format_table(sums), ""]
    for utt_id, label in labels.items():
        shown = _format_utterance(refs[utt_id], hyps[utt_id], operations[utt_id])
        parts += [f"id: ({label})", *shown, ""]
    return "\n".join(parts)


def _format_table(rows: List[Tuple[str, Counts, bool]]) -> str:
    """Lay out ``(speaker, counts, as percentages)`` with the sum as the last row."""
    width = max(len(name) for name in ["SPKR", *(row[0] for row in rows)])

    def line(name, size, values):
        size, values = ("".join(f"{v:>7}" for v in cells) for cells in (size, values))
        return f"| {name:<{width}} |{size} |{values} |"

    head = line("SPKR", ["# Snt", "# Wrd"], COLUMNS[2:])
    lines = [head, "|" + "-" * (len(head) - 2) + "|"]
    for name, counts, as_percentages in rows:
        size, values = [counts["Snt"], counts["Wrd"]], [counts[c] for c in COLUMNS[2:]]
        if as_percentages:
            values = [f"{value:.1f}" for value in percentages(counts)]
        lines.append(line(name, size, values))
    lines.insert(-1, "|" + "=" * (len(head) - 2) + "|")
    return "\n".join(lines)


def _format_utterance(ref: List[str], hyp: List[str], operations: str) -> List[str]:
    """Show the counts, and reference, hypothesis and operations below each other."""
    refs, hyps = iter(ref), iter(hyp)
    rows: List[List[str]] = [["REF: "], ["HYP: "], ["Eval:"]]
    for letter in operations:
        left = next(refs) if letter != "I" else ""
        right = next(hyps) if letter != "D" else ""
        width = max(len(left), len(right))
        rows[0].append((left or "*" * width).ljust(width))
        rows[1].append((right or "*" * width).ljust(width))
        rows[2].append((" " if letter == "C" else letter).ljust(width))
    counts = " ".join(str(operations.count(letter)) for letter in "CSDI")
    return [f"Scores: (#C #S #D #I) {counts}", *(" ".join(r).rstrip() for r in rows)]
