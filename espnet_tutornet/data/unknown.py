"""How much of the transcripts a token list does not know."""

from collections import Counter
from typing import Callable, Collection, List, Sequence

from espnet_tutornet.data.transcripts import TEXT_CASES

MAX_SHOWN = 10  # unknown tokens named in one message


def check_unknown(
    where: str,
    texts: Sequence[str],
    encode: Callable[[str], List[str]],
    vocabulary: Collection[str],
    unk_max: float,
) -> str:
    """Count the tokens that become ``<unk>``.

    Args:
        where: name of the set.
        texts: its transcripts.
        encode: from ``tokens.load_encoder``.
        vocabulary: the token list.
        unk_max: share that is accepted, in percent.

    Returns:
        A line that tells the share and the commonest of them.

    Raises:
        ValueError: the share is above ``unk_max``, which is not in [0, 100].
    """
    if not 0 <= unk_max <= 100:
        raise ValueError(f"unk_max must be in [0, 100], got {unk_max:g}.")
    vocabulary = frozenset(vocabulary)
    counts = Counter(token for text in texts for token in encode(text))
    unknown = {t: n for t, n in counts.items() if t not in vocabulary}
    total, missed = sum(counts.values()), sum(unknown.values())
    share = _percent(missed, total)
    found = f"{where}: {missed} of {total} tokens are <unk> ({share:.2f} %)"
    commonest = sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))
    named = ", ".join(f"{token!r} {count}" for token, count in commonest[:MAX_SHOWN])
    if share > unk_max:
        raise ValueError(
            f"{found}, expected at most {unk_max:g} %: the token list does not know "
            f"{named} (commonest first). Run again from stage 1 with "
            f"{_mend(texts, encode, vocabulary, share)}--cleaner (tacotron, jaconv, "
            "...: punctuation and the like), mend the transcripts, or accept this "
            "with --unk_max."
        )
    return f"{found}: {named}" if named else found


def _mend(
    texts: Sequence[str],
    encode: Callable[[str], List[str]],
    vocabulary: Collection[str],
    share: float,
) -> str:
    """Name the case in which the token list knows more, if there is one."""
    left = {}
    for name, change in TEXT_CASES.items():
        counts = Counter(token for text in texts for token in encode(change(text)))
        missed = sum(n for token, n in counts.items() if token not in vocabulary)
        left[name] = _percent(missed, sum(counts.values()))
    best = min(left, key=lambda name: left[name])
    if left[best] >= share:
        return ""
    return f"--text_case {best} (which leaves {left[best]:.2f} %), with "


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
