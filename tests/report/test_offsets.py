import numpy as np
import pytest
from matplotlib.figure import Figure

from espnet_tutornet.report.offsets import (
    Heard,
    draw_offsets,
    linear_cka,
    match_frames,
    summarise_heard,
)


def test_similarity_is_that_of_all_frames_and_of_those_with_a_token():
    rng = np.random.default_rng(0)
    theirs, noise = rng.normal(size=(2, 40, 3))
    tokens = np.arange(40) % 4 == 0
    ours = np.where(tokens[:, None], 2.0 * theirs, noise)  # alike at tokens alone
    halves = slice(0, 20), slice(20, 40)
    heard = Heard(
        ours=[ours[half] for half in halves],
        theirs=[theirs[half] for half in halves],
        tokens=[tokens[half] for half in halves],
    )
    everywhere, at_tokens, *first = summarise_heard(heard)[-4:]
    assert float(everywhere) < 0.6 and at_tokens == "1.00"
    assert first == ["-", "-"]
    heard.first, heard.ours = heard.ours, [noise[half] for half in halves]
    assert summarise_heard(heard)[-2:] == [everywhere, at_tokens]
    assert float(summarise_heard(heard)[-3]) < 0.6


def test_no_token_is_no_similarity():
    frames = np.arange(6.0).reshape(3, 2)
    heard = Heard(ours=[frames], theirs=[frames], tokens=[np.zeros(3, bool)])
    assert summarise_heard(heard)[-4:] == ["1.00", "-", "-", "-"]


def test_offsets_are_shares_and_keep_what_is_far_away():
    figure = Figure(layout="constrained")
    found = [0.0] * 990 + [20.0] * 5 + [-4000.0] * 5
    styles = {"SKD": ("blue", "s"), "No": ("red", "o")}
    draw_offsets(figure, {"SKD": found, "No": [0.0]}, styles, 20.0)
    line = figure.axes[0].lines[0]
    shares = dict(zip(line.get_xdata().round(6).tolist(), line.get_ydata().tolist()))
    assert sum(shares.values()) == pytest.approx(100.0)
    assert (shares[0.0], shares[20.0]) == (99.0, 0.5)
    assert shares[min(shares)] == 0.5
    assert line.get_label() == "SKD, median +0 ms"


def _frames(columns, seed=0):
    return np.random.default_rng(seed).normal(size=(400, columns))


def test_a_rotation_scaled_and_shifted_is_the_same():
    frames = _frames(5)
    rotation, _ = np.linalg.qr(_frames(5)[:5])
    assert linear_cka(frames, 7.0 * frames @ rotation - 3.0) == pytest.approx(1.0)


def test_cka_by_hand():
    """First axis shared, second unshared: x = (a, b), y = a, a and b uncorrelated."""
    a, b = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    x, y = np.stack([a, 2 * b], axis=1), a[:, None]
    # ||x'y||^2 = 4^2, ||x'x|| = sqrt(4^2 + 16^2), ||y'y|| = 4
    assert linear_cka(x, y) == pytest.approx(16 / (np.hypot(4, 16) * 4))
    assert linear_cka(y, x) == linear_cka(x, y)


def test_unrelated_frames_are_hardly_alike():
    assert linear_cka(_frames(3), _frames(4, seed=1)) < 0.05


def test_what_does_not_change_has_no_similarity():
    assert np.isnan(linear_cka(np.ones((4, 2)), _frames(2)[:4]))


def test_the_frames_must_be_the_same():
    with pytest.raises(ValueError, match="the same frames, got 3, 4"):
        linear_cka(np.zeros((3, 1)), np.zeros((4, 1)))


@pytest.mark.parametrize(
    "ours, theirs, expected",
    [
        ((3, 40.0), (3, 40.0), [0, 1, 2]),
        ((2, 40.0), (4, 20.0), [0, 2]),
        ((6, 10.0), (2, 30.0), [0, 0, 0, 1, 1, 1]),
        ((5, 20.0), (2, 40.0), [0, 0, 1, 1, 1]),  # the last one is past their end
    ],
)
def test_frames_are_matched_by_their_centres(ours, theirs, expected):
    assert match_frames(ours, theirs) == expected
