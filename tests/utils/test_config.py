import pytest

from espnet_tutornet.utils.config import build, check_keys, choose, find_keys


class Thing:
    def __init__(self, size, name="x"):
        self.size, self.name = size, name


class Parcel:
    passes_to = Thing

    def __init__(self, address, **thing):
        self.address, self.thing = address, Thing(3, **thing)


def test_choose_returns_the_named_value():
    assert choose("kind", {"a": 1, "b": 2}, "b") == 2


def test_choose_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"kind must be one of \['a', 'b'\], got 'c'"):
        choose("kind", {"b": 2, "a": 1}, "c")


def test_check_keys_unknown_keys_are_named_and_the_known_listed():
    check_keys("thing", ("a", "b"), {"a": 1})
    with pytest.raises(
        ValueError, match=r"thing: unknown keys \['c', 'd'\]. Known keys: \['a', 'b'\]"
    ):
        check_keys("thing", ("b", "a"), {"d": 1, "a": 1, "c": 1})


def test_build_takes_given_and_conf():
    thing = build("thing", Thing, {"name": "y"}, size=3)
    assert (thing.size, thing.name) == (3, "y")


def test_build_takes_an_empty_block():
    assert build("thing", Thing, None, size=3).name == "x"


def test_build_refuses_an_unknown_key():
    with pytest.raises(ValueError, match=r"unknown keys \['nmae'\].*\['name'\]"):
        build("thing", Thing, {"nmae": "y"}, size=3)


def test_build_refuses_a_key_that_the_program_gives():
    with pytest.raises(ValueError, match=r"unknown keys \['size'\]"):
        build("thing", Thing, {"size": 4}, size=3)


def test_find_keys_knows_what_is_passed_on_where_it_has_a_default():
    assert find_keys(Parcel) == {"address", "name"}
    assert build("parcel", Parcel, {"name": "y"}, address="a").thing.name == "y"
    with pytest.raises(ValueError, match=r"\['size'\]. Known keys: \['name'\]"):
        build("parcel", Parcel, {"size": 4}, address="a")


def test_find_keys_without_others_passes_nothing_on():
    class Closed(Parcel):
        def __init__(self, address):
            super().__init__(address)

    assert find_keys(Closed) == {"address"}
