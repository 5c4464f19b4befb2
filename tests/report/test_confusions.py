from collections import Counter

import pytest

from espnet_tutornet.report.confusions import compare_confusions, count_substitutions

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
