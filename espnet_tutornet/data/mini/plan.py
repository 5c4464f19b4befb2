"""Who says what in the mini corpus: speakers, splits, sentences, noise."""

import random
from dataclasses import dataclass
from typing import Dict, List, Set, Tuple

from espnet_tutornet.data.mini.grammar import draw_sentences
from espnet_tutornet.data.mini.speech import NOISES, Speaker, Utterance

TRAIN_SPEAKERS = (
    Speaker("101", pitch=0.72, tempo=0.95, british=False, gain=0, tilt=-4),
    Speaker("102", pitch=0.77, tempo=1.10, british=True, gain=3, tilt=0),
    Speaker("103", pitch=0.82, tempo=0.85, british=False, gain=-3, tilt=4),
    Speaker("104", pitch=0.87, tempo=1.00, british=True, gain=-5, tilt=-2),
    Speaker("105", pitch=0.92, tempo=1.20, british=False, gain=2, tilt=2),
    Speaker("106", pitch=0.97, tempo=0.90, british=True, gain=0, tilt=-6),
    Speaker("107", pitch=1.02, tempo=1.05, british=False, gain=4, tilt=0),
    Speaker("108", pitch=1.07, tempo=1.15, british=True, gain=-2, tilt=6),
    Speaker("109", pitch=1.12, tempo=0.95, british=False, gain=-4, tilt=-3),
    Speaker("110", pitch=1.18, tempo=1.00, british=True, gain=1, tilt=3),
)
OTHER_SPEAKERS = (
    Speaker("201", pitch=0.68, tempo=1.10, british=True, gain=2, tilt=5),
    Speaker("202", pitch=0.85, tempo=1.25, british=False, gain=-4, tilt=-7),
    Speaker("203", pitch=1.05, tempo=0.85, british=False, gain=0, tilt=7),
    Speaker("204", pitch=1.24, tempo=1.20, british=True, gain=3, tilt=-5),
)


@dataclass(frozen=True)
class Split:
    """A part of the corpus: its size at scale 1, its speakers, its noise."""

    name: str
    utterances: int
    chapter: str
    speakers: Tuple[Speaker, ...]
    snr: Tuple[float, float]  # dB, drawn evenly


# An utterance lasts 1.6 s on average: 25, 3, 5 and 4 minutes.
SPLITS = (
    Split("train-clean", 800, "1", TRAIN_SPEAKERS, (12.0, 30.0)),
    Split("dev-clean", 100, "2", TRAIN_SPEAKERS, (12.0, 30.0)),
    Split("test-clean", 160, "3", TRAIN_SPEAKERS, (12.0, 30.0)),
    Split("test-other", 140, "4", OTHER_SPEAKERS, (5.0, 15.0)),
)


def plan_corpus(hours_scale: float, seed: int) -> Dict[str, List[Utterance]]:
    """Return who says what in each split; no sentence occurs twice in the corpus."""
    rng = random.Random(seed)
    taken: Set[str] = set()
    plans = {}
    for split in SPLITS:
        count = max(len(split.speakers), round(split.utterances * hours_scale))
        sentences = draw_sentences(rng, count, taken)
        plans[split.name] = [
            _plan_utterance(split, index, sentence, rng)
            for index, sentence in enumerate(sentences)
        ]
    return plans


def _plan_utterance(
    split: Split, index: int, sentence: str, rng: random.Random
) -> Utterance:
    speaker = split.speakers[index % len(split.speakers)]
    number = index // len(split.speakers)
    return Utterance(
        utt_id=f"{speaker.name}-{split.chapter}-{number:04d}",
        text=sentence,
        speaker=speaker,
        noise=rng.choice(NOISES),
        snr=rng.uniform(*split.snr),
        seed=rng.randrange(2**31),
    )
