import pytest
import torch

from espnet_tutornet.losses.frame_selection import BLANK_POLICIES, FrameSelection
from espnet_tutornet.losses.masking import make_pad_mask

# blank probabilities of ten frames; a run of two spikes, and one spike
BLANKS = [0.99, 0.9, 0.8, 0.2, 0.3, 0.9, 0.9, 0.97, 0.1, 0.6]


def teacher(blanks=BLANKS):
    blanks = torch.tensor([blanks])
    return torch.stack([blanks, 1.0 - blanks], dim=-1).log()


def kept(name, conf=None, lens=10, log_probs=None):
    log_probs = teacher() if log_probs is None else log_probs
    mask = make_pad_mask(torch.tensor([lens]), log_probs.size(1))
    selected = FrameSelection(name, conf)(log_probs, mask, 0)
    assert selected.dtype == torch.bool and selected.shape == mask.shape
    return selected[0].nonzero()[:, 0].tolist()


@pytest.mark.parametrize(
    "name, conf, expected",
    [
        ("all", None, list(range(10))),
        ("drop", None, [3, 4, 8]),
        ("symmetric", {"frames": 0}, [3, 4, 8]),
        ("symmetric", None, [2, 3, 4, 5, 7, 8, 9]),
        ("symmetric", {"frames": 2}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("symmetric", {"frames": 99}, list(range(10))),
        ("threshold", None, [1, 2, 3, 4, 5, 6, 8, 9]),
        ("threshold", {"threshold": 0.85}, [2, 3, 4, 8, 9]),
        ("threshold", {"threshold": 0.25}, [3, 8]),
        ("threshold", {"threshold": 1}, list(range(10))),
        ("random", {"share": 0.0}, [3, 4, 8]),
        ("random", {"share": 1.0}, list(range(10))),
    ],
)
def test_frames_by_hand(name, conf, expected):
    assert kept(name, conf) == expected


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf"), 0.0])
@pytest.mark.parametrize("name", sorted(BLANK_POLICIES))
def test_padding_is_left_out_and_does_not_spread(name, garbage):
    log_probs = teacher()
    log_probs[:, 7:, 1] = garbage  # spikes in the padding, next to frame 6
    log_probs[:, 7:, 0] = -9.0
    torch.manual_seed(0)
    got = kept(name, lens=7, log_probs=log_probs)
    torch.manual_seed(0)
    clean = torch.cat([teacher()[:, :7], teacher()[:, :1].expand(1, 3, 2)], dim=1)
    assert got == kept(name, lens=7, log_probs=clean)
    assert not {7, 8, 9} & set(got)


def test_random_keeps_all_spikes_and_a_share_of_the_blanks():
    log_probs = torch.tensor([0.9, 0.1]).log().expand(1, 20000, 2).clone()
    log_probs[:, ::10] = torch.tensor([0.1, 0.9]).log()
    torch.manual_seed(0)
    mask = torch.zeros(1, 20000, dtype=torch.bool)
    selected = FrameSelection("random", {"share": 0.3})(log_probs, mask, 0)[0]
    assert selected[::10].all()
    share = (selected.sum() - 2000) / 18000
    assert float(share) == pytest.approx(0.3, abs=0.015)
    again = FrameSelection("random", {"share": 0.3})(log_probs, mask, 0)[0]
    assert not torch.equal(again, selected)


def test_another_blank_id_is_read():
    log_probs = teacher().flip(-1)
    mask = torch.zeros(1, 10, dtype=torch.bool)
    selected = FrameSelection("drop")(log_probs, mask, 1)
    assert selected[0].nonzero()[:, 0].tolist() == [3, 4, 8]
    with pytest.raises(ValueError, match=r"blank_id must be in \[0, 2\), got 2"):
        FrameSelection("drop")(log_probs, mask, 2)


@pytest.mark.parametrize(
    "name, conf, message",
    [
        ("some", None, r"blank must be one of \['all', 'drop', 'random', 'symm"),
        ("drop", {"frames": 1}, r"blank: drop: unknown keys \['frames'\]"),
        ("all", {"share": 1}, r"blank: all: unknown keys \['share'\]"),
        ("symmetric", {"share": 0.1}, r"\['share'\]. Known keys: \['frames'\]"),
        ("threshold", {"frames": 1}, r"\['frames'\]. Known keys: \['threshold'\]"),
        ("symmetric", {"frames": -1}, "frames must be a number of frames.*got -1"),
        ("symmetric", {"frames": 1.5}, "frames must be a number of frames.*got 1.5"),
        ("symmetric", {"frames": True}, "frames must be a number of frames.*got True"),
        ("threshold", {"threshold": 0.0}, r"threshold must be in \(0, 1\], got 0.0"),
        ("threshold", {"threshold": "x"}, r"threshold must be in \(0, 1\], got 'x'"),
        ("random", {"share": 1.1}, r"share must be in \[0, 1\], got 1.1"),
        ("random", {"share": float("nan")}, r"share must be in \[0, 1\], got nan"),
    ],
)
def test_bad_policies_are_refused(name, conf, message):
    with pytest.raises(ValueError, match=message):
        FrameSelection(name, conf)
