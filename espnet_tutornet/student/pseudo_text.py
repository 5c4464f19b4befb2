"""Take over what a recogniser wrote as transcripts, where it can be trusted."""

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Collection, Dict, Iterable, List, Mapping, Optional, Tuple

from espnet_tutornet.data.data_dir import (
    Utterance,
    original_of,
    raise_problems,
    read_data_dir,
    read_two_columns,
    write_data_dir,
)
from espnet_tutornet.data.filtering import ctc_frames_needed, read_removed
from espnet_tutornet.scoring.alignment import align

NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf)|nan")  # in tensor(-1.5)
NO_TEXT, EMPTY = "no text", "empty text"
UNKNOWN, DENSE = "unknown tokens", "too dense for CTC"


@dataclass(frozen=True)
class Limits:
    """What a text has to keep to.

    Attributes:
        score_min: least score per token, natural log, where there are scores; None:
            any.
        rate_slack: characters per second are between the least of the transcripts,
            divided by this, and the most, times this.
        wer_max: most WER against the transcript, where there is one, in percent.

    Raises:
        ValueError: one of them is out of its range.
    """

    score_min: Optional[float] = None
    rate_slack: float = 1.25
    wer_max: float = 10.0

    def __post_init__(self):
        for name, least in (("rate_slack", 1.0), ("wer_max", 0.0)):
            value = getattr(self, name)
            if not value >= least:
                raise ValueError(
                    f"--pseudo_{name} must be {least:g} or more, got {value:g}."
                )
        if self.score_min is not None and not math.isfinite(self.score_min):
            raise ValueError(
                "--pseudo_score_min must be a number such as -0.5, got "
                f"{self.score_min}."
            )


@dataclass(frozen=True)
class Recognised:
    """What a recogniser wrote.

    Attributes:
        texts: utterance id -> text.
        scores: utterance id -> score per token, where it gave any.
    """

    texts: Mapping[str, str]
    scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, texts: Iterable[Path]) -> "Recognised":
        """Read files ``text``, and ``score`` and ``token`` of ESPnet beside them.

        Raises:
            FileNotFoundError: a text is missing.
            ValueError: an id comes twice, or a score is no number.
        """
        found: Dict[str, str] = {}
        scores: Dict[str, float] = {}
        for path in texts:
            content = read_two_columns(path)
            twice = [f"{utt_id}" for utt_id in content if utt_id in found]
            raise_problems(f"{path}: ids that another text has, too", twice)
            found.update(content)
            beside = [path.with_name(name) for name in ("score", "token")]
            if all(file.is_file() for file in beside):
                totals, tokens = map(read_two_columns, beside)
                for utt_id, total in totals.items():
                    count = max(len(tokens.get(utt_id, "").split()), 1)
                    scores[utt_id] = _number(beside[0], utt_id, total) / count
        return cls(found, scores)


@dataclass
class Outcome:
    """Utterances with the texts that were taken over, and why others were not.

    Attributes:
        utterances: all of them; ``text`` is empty where there is none.
        taken: how many of those without a transcript, and of those with one.
        left: the same: reason -> how many.
    """

    utterances: List[Utterance]
    taken: Tuple[int, int]
    left: Tuple[Mapping[str, int], Mapping[str, int]]

    def describe(self) -> str:
        """Tell what was taken and what was not, by reason."""
        lines = []
        for what, taken, left in zip(("without", "with"), self.taken, self.left):
            count = taken + sum(left.values())
            if count:
                why = ", ".join(f"{n} {reason}" for reason, n in left.items()) or "-"
                lines.append(
                    f"pseudo text: taken for {taken} of {count} utterances {what} a "
                    f"transcript; not taken: {why}"
                )
        return "\n".join(lines)


def take_texts(
    utterances: Iterable[Utterance],
    recognised: Recognised,
    fs: int,
    limits: Limits = Limits(),
    labelled_too: bool = False,
    refuse: Callable[[Utterance], str] = lambda utt: "",
) -> Outcome:
    """Give utterances the texts that can be trusted.

    Args:
        utterances: all, those with a transcript first of all say how fast one speaks.
        recognised: what was written of them; of a copy at another speed what was
            written of the original.
        fs: sampling rate in Hz.
        limits: of what is trusted.
        labelled_too: texts also stand in for transcripts, which stay where they are
            not trusted.
        refuse: a further reason against an utterance with its text, or nothing.

    Example:
        >>> known = Utterance("a-1", "a", "a.wav", 8000, "ONE TWO")
        >>> utts = [known, Utterance("a-2", "a", "b.wav", 8000, "")]
        >>> outcome = take_texts(utts, Recognised({"a-2": "TWO SIX"}), 8000)
        >>> [utt.text for utt in outcome.utterances]
        ['ONE TWO', 'TWO SIX']
    """
    utterances = list(utterances)
    rates = [_rate(utt, fs) for utt in utterances if utt.text]
    low = min(rates, default=0.0) / limits.rate_slack
    high = max(rates, default=math.inf) * limits.rate_slack
    known: List[Utterance] = []
    taken, left = [0, 0], (Counter(), Counter())
    for utt in utterances:
        labelled = bool(utt.text)
        if labelled and not labelled_too:
            known.append(utt)
            continue
        name = utt.utt_id
        if name not in recognised.texts:
            name = original_of(name)
        text = recognised.texts.get(name)
        new = replace(utt, text=" ".join((text or "").split()))
        score = recognised.scores.get(name, 0.0)
        reason = ""
        if not new.text:
            reason = NO_TEXT if text is None else EMPTY
        elif limits.score_min is not None and not score >= limits.score_min:
            reason = f"score per token under {limits.score_min:g}"
        elif not low <= _rate(new, fs) <= high:
            reason = f"characters per second outside {low:.1f} to {high:.1f}"
        elif labelled and _wer(utt.text, new.text) > limits.wer_max:
            reason = f"WER above {limits.wer_max:g} %"
        reason = reason or refuse(new)
        if reason:
            left[labelled][reason] += 1
        taken[labelled] += not reason
        known.append(utt if reason else new)
    return Outcome(known, (taken[0], taken[1]), left)


def check_ids(
    recognised: Recognised, utterances: Iterable[Utterance], gone: Collection[str]
) -> None:
    """Refuse texts of utterances that nobody knows.

    Args:
        recognised: what was written.
        utterances: those that are there.
        gone: ids of those that were removed before.

    Raises:
        ValueError: names the first of them.
    """
    ids = {utt.utt_id for utt in utterances} | set(gone)
    ids |= {original_of(utt_id) for utt_id in ids}
    raise_problems(
        "pseudo text of utterances that are neither in the training sets nor in the "
        "unlabelled ones; remove these lines, or give their audio (run.sh "
        "--unlabelled_sets)",
        [utt_id for utt_id in recognised.texts if utt_id not in ids],
    )


def find_refusal(
    encode: Callable[[str], List[str]],
    vocabulary: Collection[str],
    samples_per_frame: int,
    lost: int,
) -> Callable[[Utterance], str]:
    """Return what finds a text that a student's tokens or frames cannot hold.

    Args:
        encode: from ``tokens.load_encoder``.
        vocabulary: its tokens.
        samples_per_frame: of its encoder.
        lost: frames that it loses at the edges.
    """
    vocabulary = frozenset(vocabulary)

    def refuse(utt: Utterance) -> str:
        tokens = encode(utt.text)
        if any(token not in vocabulary for token in tokens):
            return UNKNOWN
        frames = utt.num_samples // samples_per_frame - lost
        return DENSE if ctc_frames_needed(tokens, vocabulary) > frames else ""

    return refuse


def write_pseudo(
    audio_dir: Path,
    out_dirs: Tuple[Path, Path],
    texts: Iterable[Path],
    rewrite: Callable[[str], str],
    **how,
) -> Outcome:
    """Write data directories with pseudo text.

    Args:
        audio_dir: of all utterances, with transcripts and without.
        out_dirs: gets those with a transcript or a text; and gets all of them.
        texts: files ``text`` of a recogniser, with ``score`` and ``token`` beside.
        rewrite: case and spelling of the transcripts.
        how: arguments of :func:`take_texts`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a text of an unknown utterance, or no text is trusted.
    """
    utterances = read_data_dir(audio_dir, needs_text=False)
    read = Recognised.read(texts)
    gone = [row.utt_id for row in read_removed(audio_dir / "removed.tsv")]
    check_ids(read, utterances, gone)
    recognised = replace(read, texts={i: rewrite(t) for i, t in read.texts.items()})
    outcome = take_texts(utterances, recognised, **how)
    if not any(outcome.taken):
        raise ValueError(
            f"no pseudo text is left. {outcome.describe() or 'None is asked for'}. "
            "Look at the texts, and loosen --pseudo_score_min, --pseudo_rate_slack or "
            "--pseudo_wer_max."
        )
    spoken = [utt for utt in outcome.utterances if utt.text]
    write_data_dir(out_dirs[0], spoken)
    write_data_dir(out_dirs[1], outcome.utterances, needs_text=False)
    return outcome


def _rate(utt: Utterance, fs: int) -> float:
    return len(utt.text) * fs / utt.num_samples


def _wer(reference: str, text: str) -> float:
    words = reference.split()
    (operations,) = align([words], [text.split()])
    return 100 * sum(step != "C" for step in operations) / len(words)


def _number(path: Path, utt_id: str, value: str) -> float:
    found = NUMBER.search(value)
    if not found:
        raise ValueError(f"{path}: {utt_id}: expected a score, got {value!r}.")
    return float(found[0])
