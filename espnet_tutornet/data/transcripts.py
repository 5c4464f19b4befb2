"""Rewrite or hide transcripts once, before tokens, trainings and scores see them."""

import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from espnet_tutornet.data.data_dir import Utterance, raise_problems

TEXT_CASES: Dict[str, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower}


def compose(text: str) -> str:
    """Write a letter and its marks as one character where there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def read_symbols(path: Union[str, Path]) -> List[str]:
    """Read a file of non-linguistic symbols, such as ``<noise>``: one a line.

    Args:
        path: of the file; empty: there is none, and no symbol.

    Returns:
        The symbols, the longest first: one may begin with another.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a symbol has white space, or there is none.

    Example:
        >>> read_symbols("")
        []
    """
    if not str(path):
        return []
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: no such file of non-linguistic symbols. Mend --nlsyms_txt."
        ) from error
    symbols = list(dict.fromkeys(filter(None, map(str.strip, lines))))
    wrong = [symbol for symbol in symbols if len(symbol.split()) > 1]
    if wrong or not symbols:
        raise ValueError(
            f"{path}: expected a symbol per line, such as <noise>, without white "
            f"space, found {wrong[0] if wrong else 'none'!r}. Mend the file."
        )
    return sorted(symbols, key=len, reverse=True)


def rewrite_texts(
    utterances: Iterable[Utterance],
    text_case: str = "",
    clean: Optional[Callable[[str], str]] = None,
    symbols: Sequence[str] = (),
) -> List[Utterance]:
    """Clean transcripts, then write them in one case, with composed letters (NFC).

    Args:
        utterances: those without a transcript stay without.
        text_case: ``upper``, ``lower``, or empty: as it is.
        clean: such as ESPnet's ``TextCleaner``; None: as it is.
        symbols: non-linguistic ones, such as ``<noise>``, which stay as they are.

    Raises:
        ValueError: an unknown ``text_case``, or nothing is left of a transcript.
    """
    if text_case and text_case not in TEXT_CASES:
        raise ValueError(
            f"text_case must be {' or '.join(TEXT_CASES)}, or empty, got {text_case!r}."
        )
    changes = [change for change in (clean, TEXT_CASES.get(text_case)) if change]
    kept = re.compile(f"({'|'.join(map(re.escape, symbols))})") if symbols else None
    done, problems = [], []

    def rewrite(text: str) -> str:
        text = compose(text)
        for change in changes:
            text = compose(change(text)) if text.strip() else text
        return text

    for utt in utterances:
        text = utt.text
        if text:
            # of three parts the second is a symbol, and so on
            parts = kept.split(text) if kept else [text]
            parts[::2] = map(rewrite, parts[::2])
            text = " ".join("".join(parts).split())
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
