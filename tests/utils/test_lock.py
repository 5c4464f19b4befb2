import fcntl

import pytest

from espnet_tutornet.utils.lock import hold


def test_who_comes_second_is_told_who_holds_it(tmp_path):
    place = tmp_path / "new"
    with hold(place, "another dump"):
        with pytest.raises(
            RuntimeError, match="another dump works in .*new.*, or ask."
        ):
            with hold(place, "another dump", ", or ask"):
                pass


def test_it_is_let_go_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with hold(tmp_path, "another"):
            raise ZeroDivisionError
    with (tmp_path / ".lock").open("a") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
