import warnings
from collections import Counter

import pytest
from matplotlib.figure import Figure

from espnet_tutornet.report.pictures import Album
from espnet_tutornet.report.words import (
    Confusion,
    compare_confusions,
    count_substitutions,
    draw_confusions,
)

REFS = {"a": "ONE NINE TWO".split(), "b": ["SIX"]}


def test_substitutions_leave_out_deletions_and_insertions():
    hyps = {"a": "NINE TWO".split(), "b": ["OH", "SIX"]}
    assert count_substitutions(REFS, hyps) == Counter()
    hyps = {"a": "FIVE FIVE TWO".split(), "b": ["SEX"]}
    assert count_substitutions(REFS, hyps) == Counter(
        {("ONE", "FIVE"): 1, ("NINE", "FIVE"): 1, ("SIX", "SEX"): 1}
    )


def test_texts_of_other_utterances_are_refused():
    with pytest.raises(ValueError, match="1 utterances have no hypothesis: b"):
        count_substitutions(REFS, {"a": []})


def test_confusions_are_ordered_by_their_change():
    before = Counter({("A", "X"): 5, ("B", "X"): 9, ("C", "X"): 2, ("D", "X"): 1})
    after = Counter({("A", "X"): 0, ("B", "X"): 8, ("C", "X"): 2, ("D", "X"): 4})
    after[("E", "X")] = 7
    fixed, broken = compare_confusions(before, after, 10)
    assert [(c.reference, c.before, c.after, c.change) for c in fixed] == [
        ("A", 5, 0, -5),
        ("B", 9, 8, -1),
    ]
    assert [(c.reference, c.change) for c in broken] == [("E", 7), ("D", 3)]
    assert [len(found) for found in compare_confusions(before, after, 1)] == [1, 1]


def test_confusions_draw_only_the_lists_that_have_some():
    figure = Figure(layout="constrained")
    draw_confusions(figure, [Confusion("A", "B", 5, 2)], [])
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [5, 2]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["A → B"]


def test_a_word_without_end_leaves_room_for_the_bars(tmp_path):
    # what a student without spaces says
    found = [Confusion("INTERNATIONALE", "N" * 200, 5, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a layout that does not fit
        picture = Album(tmp_path).add("a", "a", 2.0, draw_confusions, found, [])
    assert f"INTERNATIONALE → {'N' * 13}…" in picture.svg
