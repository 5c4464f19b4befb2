"""Sentences for the mini corpus: spoken orders to a house, a robot, a travel desk.

The vocabulary is small enough for half an hour of speech, and has neighbours in sound
(pan/van, nine/five, on/off, ball/hall), so that a small recogniser has something to get
wrong. There are no homophones: every word can be told by its sound.
"""

import random
import re
from typing import List, Set

# A word in braces stands for one choice of the list of that name.
SLOTS = {
    "digit": "one two three four five six seven eight nine".split(),
    "tens": "twenty thirty forty fifty".split(),
    "amount": ["{digit}", "{tens}", "{tens} {digit}"],
    "name": "ann ben john mary harry".split(),
    "room": "kitchen garden garage bathroom hall".split(),
    "colour": "black blue green grey white yellow".split(),
    "lamp": "lamp fan heater radio".split(),
    "thing": "cup pan van box book ball".split(),
    "opening": "door window".split(),
    "city": "boston london paris".split(),
    "vehicle": "bus train".split(),
    "day": "monday sunday today".split(),
    "side": "left right".split(),
    "switch": "on off".split(),
}
# Each has sentences enough for all splits, so that the splits are alike.
TEMPLATES = [
    "turn {switch} the {colour} {lamp} in the {room}",
    "set the {colour} {lamp} at {amount}",
    "open the {room} {opening} at {amount}",
    "robot go {side} {digit} then {side} {digit}",
    "bring {name} the {colour} {thing} {day}",
    "put the {colour} {thing} in the {room} {day}",
    "is the {colour} {thing} in the {room}",
    "call {name} at {amount} {day}",
    "dial {digit} {digit} {digit} {digit} {digit}",
    "{name} takes the {vehicle} from {city} at {amount}",
]
_SLOT = re.compile(r"\{(\w+)\}")
# A draw that is already taken is thrown away; far above what a normal corpus needs.
_DRAWS_PER_SENTENCE = 200


def draw_sentence(rng: random.Random) -> str:
    """Expand one template drawn at random; lower case."""
    sentence = rng.choice(TEMPLATES)
    while _SLOT.search(sentence):
        sentence = _SLOT.sub(lambda m: rng.choice(SLOTS[m.group(1)]), sentence)
    return sentence


def draw_sentences(rng: random.Random, count: int, taken: Set[str]) -> List[str]:
    """Draw sentences that differ from each other and from all before them.

    Args:
        rng: source of the draws.
        count: how many to draw.
        taken: sentences that are in use; the new ones are added to it.

    Raises:
        ValueError: the grammar has too few sentences for ``count`` new ones.
    """
    sentences: List[str] = []
    for _ in range(count * _DRAWS_PER_SENTENCE):
        if len(sentences) == count:
            break
        sentence = draw_sentence(rng)
        if sentence not in taken:
            taken.add(sentence)
            sentences.append(sentence)
    if len(sentences) < count:
        raise ValueError(
            f"the grammar of the mini corpus ran out of new sentences at {len(taken)}; "
            f"{count - len(sentences)} more were wanted. Choose a smaller hours_scale."
        )
    return sentences


def vocabulary() -> Set[str]:
    """Return every word that a sentence can hold; lower case."""
    words: Set[str] = set()
    for choices in SLOTS.values():
        words.update(word for choice in choices for word in choice.split())
    for template in TEMPLATES:
        words.update(template.split())
    return {word for word in words if "{" not in word}
