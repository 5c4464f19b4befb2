from collections import namedtuple

import pytest

from espnet_tutornet.utils.seeds import group_seeds, known, mean_known, tell_apart

Run = namedtuple("Run", "method seed")


def test_group_seeds_orders_groups_and_the_seeds_in_them():
    runs = [Run("b", 10), Run("a", 1), Run("b", 9), Run("b", 10)]
    groups = group_seeds(runs, key=lambda run: (run.method,))
    assert list(groups) == [("a",), ("b",)]
    assert [run.seed for run in groups[("b",)]] == [9, 10, 10]


def test_group_seeds_compares_no_results():
    """Rows of a table are mappings, which have no order."""
    rows = [{"seed": "2"}, {"seed": "1", "run": "b"}, {"seed": "1", "run": "a"}]
    groups = group_seeds(rows, key=lambda row: (), seed=lambda row: int(row["seed"]))
    assert groups == {(): [rows[1], rows[2], rows[0]]}


def test_a_mean_is_that_of_what_is_known():
    assert known([0.0, None, 3.0]) == [0.0, 3.0]
    assert mean_known([0.0, None, 3.0]) == pytest.approx(1.5)
    assert mean_known([]) is None


def test_a_name_is_told_apart_by_what_differs_and_says_something():
    rows = [("a", "x", ""), ("a", "y", "more")]
    assert [tell_apart("n", row, rows) for row in rows] == ["n (x)", "n (y, more)"]
    assert tell_apart("n", rows[0], rows[:1]) == "n"
