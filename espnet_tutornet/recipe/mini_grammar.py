"""Sentences for the mini corpus: spoken orders to a house, a robot, a travel desk.

The vocabulary is small, but full of near neighbours (fifteen/fifty, Ben/Jen/Ken,
lamp/ramp, kitchen/chicken, pan/fan/van), so that a small recogniser has something
to get wrong. There are no homophones: every word can be told by its sound.
"""

import random
import re
from typing import List, Set

# A word in braces stands for one choice of the list of that name.
SLOTS = {
    "digit": "one two three four five six seven eight nine".split(),
    "teen": "eleven twelve thirteen fourteen fifteen sixteen".split(),
    "tens": "twenty thirty forty fifty sixty seventy".split(),
    "amount": ["{digit}", "{teen}", "{tens}", "{tens} {digit}"],
    "clock": ["{digit}", "{digit} {teen}", "{digit} {tens}", "half past {digit}"],
    "name": "ann dan ben jen ken john joan mary harry ellen allen".split(),
    "room": "kitchen hall garden cellar bedroom bathroom garage".split(),
    "colour": "black blue brown green grey pink white yellow".split(),
    "lamp": "lamp light fan heater radio".split(),
    "thing": "cup cap pan pen van bag box book hook ramp ball bell".split(),
    "food": "bread cheese chicken coffee peas pears tea toast".split(),
    "opening": "door drawer window gate".split(),
    "machine": "oven kettle toaster washer dryer".split(),
    "city": "austin boston london lisbon paris rome".split(),
    "vehicle": "bus boat plane train".split(),
    "day": "monday sunday tuesday thursday today".split(),
    "side": "left right forward back".split(),
    "switch": "on off".split(),
    "place": "in on under near".split(),
}
TEMPLATES = [
    "turn {switch} the {colour} {lamp}",
    "turn {switch} the {lamp} in the {room}",
    "dim the {colour} light by {amount}",
    "open the {room} {opening} at {clock}",
    "close the {colour} {opening}",
    "set the {machine} at {amount}",
    "stop the {machine} now",
    "robot go {side} {digit} steps",
    "robot go {side} then {side}",
    "bring {name} the {colour} {thing}",
    "put the {thing} {place} the {thing}",
    "put the {colour} {thing} in the {room}",
    "wake {name} at {clock}",
    "call {name} on {day}",
    "call {name} at {clock} {day}",
    "dial {digit} {digit} {digit} {digit} {digit}",
    "dial {teen} {tens} {digit}",
    "book a {vehicle} from {city}",
    "{name} takes the {vehicle} from {city} {day}",
    "cook the {food} {amount} minutes",
    "{name} likes {food} and {food}",
    "is {name} in the {room}",
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
