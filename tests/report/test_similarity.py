import numpy as np
import pytest

from espnet_tutornet.report.similarity import linear_cka, match_frames


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
