import time

import numpy as np
import pytest

from espnet_tutornet.scoring.score import find_sclite, score
from espnet_tutornet.scoring.significance import (
    Errors,
    compare_errors,
    compare_seeds,
    correct_p_values,
    read_errors,
)


def test_the_rate_is_that_of_all_words():
    # 3 errors less in 20 words
    difference = compare_errors([1, 0, 0], [1, 1, 2], [4, 6, 10])
    assert difference.rate == pytest.approx(-15.0)


def test_two_utterances_give_the_resamples_worked_out_by_hand():
    """Of two utterances, draws are (a, a), (a, b) twice, (b, b): -50, 0, 0 and 50 %.

    A quarter below, half at and a quarter above zero: both sides hold three quarters.
    """
    difference = compare_errors([0, 1], [1, 0], [2, 2], resamples=4000)
    assert difference.rate == 0.0
    assert (difference.low, difference.high) == (-50.0, 50.0)
    assert difference.p_value == 1.0
    # (a, a): -50 %, (a, b): -25 %, (b, b): 0 %, a quarter: p = 2 x 1/4
    difference = compare_errors([0, 1], [1, 1], [2, 2], resamples=4000)
    assert difference.p_value == pytest.approx(0.5, abs=0.05)


def test_equal_systems_do_not_differ():
    rng = np.random.default_rng(1)
    errors, words = rng.integers(0, 4, 300), rng.integers(4, 20, 300)
    difference = compare_errors(errors, errors, words)
    assert (difference.rate, difference.low, difference.high) == (0, 0, 0)
    assert difference.p_value == 1.0


def test_chance_is_rarely_significant():
    rng = np.random.default_rng(2)
    words = np.full(200, 10)
    values = []
    for _ in range(100):
        ours, theirs = rng.integers(0, 4, (2, 200))
        values.append(compare_errors(ours, theirs, words, resamples=400).p_value)
    assert np.mean(np.array(values) < 0.05) < 0.12
    assert 0.35 < np.mean(values) < 0.65


def test_a_clear_difference_is_significant_and_its_interval_holds_the_truth():
    rng = np.random.default_rng(3)
    words = rng.integers(5, 15, 400)
    theirs, ours = rng.binomial(words, 0.2), rng.binomial(words, 0.12)
    difference = compare_errors(ours, theirs, words)
    assert difference.p_value < 0.01
    assert difference.low < -8 < difference.high < 0
    assert difference == compare_errors(ours, theirs, words)
    assert difference != compare_errors(ours, theirs, words, seed=1)


def test_pairing_sees_what_a_hard_utterance_would_hide():
    """One error less in every utterance, which have between 0 and 50 of them."""
    theirs = np.random.default_rng(4).integers(1, 50, 100)
    assert compare_errors(theirs - 1, theirs, np.full(100, 50)).p_value < 0.01
    # never nothing: the observed difference counts as one of the resamples
    assert compare_errors(theirs - 1, theirs, np.full(100, 50)).p_value == 2 / 1001


def errors_of(**wrong):
    """``wrong``: errors by utterance, of ten words each."""
    names = tuple(sorted(wrong))
    return Errors(names, tuple(wrong[name] for name in names), (10,) * len(names))


def test_seeds_are_matched_and_summed():
    ours = {1: errors_of(a=1, b=0), 2: errors_of(a=2, b=0)}
    theirs = {2: errors_of(b=4, a=3), 3: errors_of(a=9, b=9)}
    difference = compare_seeds(ours, theirs)
    assert (difference.rate, difference.seeds) == (-25.0, 1)  # of seed 2 alone
    theirs[1] = errors_of(a=1, b=0)
    difference = compare_seeds(ours, theirs)
    assert (difference.rate, difference.seeds) == (-12.5, 2)
    assert compare_seeds({1: ours[1]}, {3: theirs[3]}) is None


def test_other_utterances_are_refused():
    with pytest.raises(ValueError, match="seed 1: expected the same 1 utterances"):
        compare_seeds({1: errors_of(a=1)}, {1: errors_of(b=1)})
    with pytest.raises(ValueError, match=r"got shapes \(1,\), \(2,\), \(1,\)"):
        compare_errors([1], [1, 2], [3])
    with pytest.raises(ValueError, match="and 0 words"):
        compare_errors([1], [1], [0])


@pytest.mark.parametrize("backend", ["internal", "sclite"])
def test_errors_of_utterances_are_those_of_the_scorer(tmp_path, backend):
    if backend == "sclite" and not find_sclite():
        pytest.skip("sclite is not installed")
    refs = {"u1": "HELLO BIG WORLD".split(), "u2": ["A", "B"], "u3": ["C"]}
    hyps = {"u1": "HELLO WORD".split(), "u2": [], "u3": ["C", "D"]}
    speakers = {"u1": "Anna", "u2": "Ben", "u3": "Anna"}
    total = score(tmp_path / "wer", refs, hyps, backend, speakers)
    errors = read_errors(tmp_path / "wer/result.txt")
    assert [name.lower() for name in errors.utterances] == [
        "anna-u1",
        "anna-u3",
        "ben-u2",
    ]
    assert (errors.wrong, errors.words) == ((2, 1, 2), (3, 1, 2))
    assert sum(errors.wrong) == total["Err"]


def test_a_report_without_utterances_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Score the set first"):
        read_errors(tmp_path / "result.txt")
    (tmp_path / "result.txt").write_text("SYSTEM SUMMARY\n")
    with pytest.raises(ValueError, match=r"result\.txt: expected utterances .* none"):
        read_errors(tmp_path / "result.txt")


def test_ten_thousand_utterances_take_a_second_or_two():
    rng = np.random.default_rng(5)
    ours, theirs = rng.integers(0, 5, (2, 10_000))
    start = time.perf_counter()
    compare_errors(ours, theirs, np.full(10_000, 20))
    assert time.perf_counter() - start < 5  # 0.3 s on an idle core


def test_p_values_of_several_comparisons_are_corrected():
    assert correct_p_values([]) == []
    assert correct_p_values([0.04]) == [0.04]
    # 3 x 0.01, then no less than that, then no more than 1
    assert correct_p_values([0.9, 0.01, 0.012]) == pytest.approx([0.9, 0.03, 0.03])
    assert correct_p_values([0.6, 0.6, 0.02]) == pytest.approx([1.0, 1.0, 0.06])
