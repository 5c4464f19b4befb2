import threading

import pytest

from espnet_tutornet.cache.pipeline import work_behind


def test_the_next_item_is_made_while_the_last_is_worked_on():
    made = threading.Event()

    def make():
        yield 1
        made.set()
        yield 2

    # work on 1 ends only once 2 is on its way
    assert list(work_behind(lambda item: made.wait(10) and -item, make())) == [-1, -2]


def test_no_more_items_wait_than_may():
    made, done = [], []

    def make():
        for number in range(20):
            assert len(made) - len(done) <= 3
            made.append(number)
            yield number

    for result in work_behind(lambda item: item, make(), behind=3):
        done.append(result)
    assert done == list(range(20))


def test_an_error_of_either_side_comes_through():
    def make():
        yield 1.0
        yield 0.0
        yield 2.0

    results = work_behind(lambda x: 1 / x, make())
    assert next(results) == 1.0
    with pytest.raises(ZeroDivisionError):
        next(results)

    def fail():
        yield 1.0
        raise OSError("no audio")

    with pytest.raises(OSError, match="no audio"):
        list(work_behind(lambda x: x, fail()))
