import random

import pytest

from espnet_tutornet.data.mini import grammar as mini_grammar
from espnet_tutornet.data.mini.grammar import draw_sentences, vocabulary


def test_vocabulary_is_small_and_plain():
    words = vocabulary()
    assert 60 <= len(words) <= 150
    assert all(word.isalpha() and word.islower() for word in words)


def test_vocabulary_has_no_homophones():
    pairs = [("two", "to"), ("four", "for"), ("eight", "ate"), ("red", "read")]
    pairs += [("right", "write"), ("peas", "piece"), ("pears", "pairs"), ("one", "won")]
    for pair in pairs:
        assert len(vocabulary().intersection(pair)) <= 1, pair


def test_sentences_are_new_short_and_made_of_the_vocabulary():
    taken = {"wake ben at five"}
    sentences = draw_sentences(random.Random(0), 1500, taken)
    assert len(set(sentences)) == 1500 and "wake ben at five" not in sentences
    assert taken == {"wake ben at five", *sentences}
    assert {len(s.split()) for s in sentences} <= set(range(4, 10))
    assert {word for s in sentences for word in s.split()} == vocabulary()


def test_same_seed_draws_the_same_sentences():
    first = draw_sentences(random.Random(5), 20, set())
    assert first == draw_sentences(random.Random(5), 20, set())
    assert first != draw_sentences(random.Random(6), 20, set())


def test_grammar_that_is_used_up_raises(monkeypatch):
    monkeypatch.setattr(mini_grammar, "TEMPLATES", ["turn {switch}"])
    assert sorted(draw_sentences(random.Random(0), 2, set())) == ["turn off", "turn on"]
    with pytest.raises(ValueError, match="ran out.*at 2; 1 more.*hours_scale"):
        draw_sentences(random.Random(0), 3, set())
