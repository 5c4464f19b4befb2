"""Rewrite or hide transcripts once, before tokens, trainings and scores see them."""

import unicodedata
from dataclasses import replace
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from espnet_tutornet.data.data_dir import Utterance, raise_problems

TEXT_CASES: Dict[str, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower}


def compose(text: str) -> str:
    """Write a letter and its marks as one character where there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def rewrite_texts(
    utterances: Iterable[Utterance],
    text_case: str = "",
    clean: Optional[Callable[[str], str]] = None,
) -> List[Utterance]:
    """Clean transcripts, then write them in one case, with composed letters (NFC).

    Args:
        utterances: those without a transcript stay without.
        text_case: ``upper``, ``lower``, or empty: as it is.
        clean: such as ESPnet's ``TextCleaner``; None: as it is.

    Raises:
        ValueError: an unknown ``text_case``, or nothing is left of a transcript.
    """
    if text_case and text_case not in TEXT_CASES:
        raise ValueError(
            f"text_case must be {' or '.join(TEXT_CASES)}, or empty, got {text_case!r}."
        )
    changes = [change for change in (clean, TEXT_CASES.get(text_case)) if change]
    done, problems = [], []
    for utt in utterances:
        text = utt.text
        if text:
            text = compose(text)
            for change in changes:
                text = compose(change(text))
            text = " ".join(text.split())
            if not text:
                problems.append(f"{utt.utt_id}: {utt.text!r} is left empty")
        done.append(replace(utt, text=text))
    raise_problems(
        "transcripts of which the cleaner leaves nothing; remove these utterances, "
        "or take another cleaner",
        problems,
    )
    return done


def hide_transcripts(
    utterances: Sequence[Utterance], num_labelled: int
) -> Tuple[List[Utterance], List[Utterance]]:
    """Keep the transcripts of some utterances: what few labels do can be tried out.

    Those that keep theirs are spread evenly over the sorted ids, hence over speakers.

    Args:
        utterances: sorted by id, all with transcripts.
        num_labelled: how many keep theirs.

    Returns:
        The utterances with transcripts, and the others, whose ``text`` is empty.

    Raises:
        ValueError: one of the two would be empty.

    Example:
        >>> utts = [Utterance(f"a-{n}", "a", "a.wav", 9, "ONE") for n in range(4)]
        >>> labelled, hidden = hide_transcripts(utts, 2)
        >>> [u.utt_id for u in labelled], [u.utt_id for u in hidden]
        (['a-0', 'a-2'], ['a-1', 'a-3'])
    """
    count = len(utterances)
    if not 0 < num_labelled < count:
        raise ValueError(
            f"--num_labelled must be in [1, {count - 1}], got {num_labelled}: there "
            f"are {count} utterances, and some have to be left without transcripts."
        )
    chosen = {n * count // num_labelled for n in range(num_labelled)}
    labelled = [utterances[n] for n in sorted(chosen)]
    hidden = [replace(u, text="") for n, u in enumerate(utterances) if n not in chosen]
    return labelled, hidden
