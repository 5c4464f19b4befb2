import pytest
import torch

from espnet_tutornet.layers.align import align_hidden, align_posteriors, valid_lens

NAN = float("nan")


def ramp(frames, *, garbage_frames=0):
    """Return (1, T, 1) whose frame t holds 10 t, then frames of NaN."""
    x = torch.cat([torch.arange(frames) * 10.0, torch.full((garbage_frames,), NAN)])
    return x.view(1, -1, 1)


def spikes(frames, at, vocab=3):
    """Return (1, T, V) blank posteriors with token 1 at the frames ``at``."""
    probs = torch.tensor([0.98, 0.01, 0.01]).repeat(1, frames, 1)
    for frame in at:
        probs[0, frame] = torch.tensor([0.1, 0.85, 0.05])
    return probs.log()


def hidden_of(frames, ratio, max_len, **kwargs):
    x = ramp(frames, **kwargs)
    return align_hidden(x, torch.tensor([frames]), ratio, max_len).flatten().tolist()


@pytest.mark.parametrize("student_frames", [49, 51, 50])
def test_equal_rates_are_the_identity_whatever_the_lengths(student_frames):
    x = ramp(50)
    got = align_hidden(x, torch.tensor([50]), 1.0, student_frames)
    common = min(50, student_frames)
    assert got.size(1) == student_frames
    assert torch.equal(got[:, :common], x[:, :common])
    log_probs = spikes(50, [7, 30])
    got = align_posteriors(log_probs, torch.tensor([50]), 1.0, student_frames, 0)
    assert got.size(1) == student_frames
    assert torch.equal(got[:, :common], log_probs[:, :common])


def test_equal_rates_49_and_51_frames_count_49_both_ways():
    assert valid_lens(torch.tensor([49]), torch.tensor([51]), 1.0).tolist() == [49]
    assert valid_lens(torch.tensor([51]), torch.tensor([49]), 1.0).tolist() == [49]


@pytest.mark.parametrize(
    "ratio, teacher_frames, expected",
    [
        # u_t = (t + 1/2) ratio - 1/2, in units of ten
        (2.0, 6, [5.0, 25.0, 45.0]),
        (4.0, 12, [15.0, 55.0, 95.0]),
        (1.5, 6, [2.5, 17.5, 32.5, 47.5]),
        (0.5, 3, [0.0, 2.5, 7.5, 12.5, 17.5, 20.0]),
        (0.25, 2, [0.0, 0.0, 1.25, 3.75, 6.25, 8.75, 10.0, 10.0]),
    ],
)
def test_hidden_is_interpolated_as_by_hand(ratio, teacher_frames, expected):
    got = hidden_of(teacher_frames, ratio, len(expected), garbage_frames=3)
    assert got == pytest.approx(expected)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75, 1.5, 2.0, 4.0])
def test_padding_is_never_mixed_in_of_any_utterance(ratio):
    frames = torch.tensor([24, 12])
    hidden = torch.ones(2, 24, 3)
    hidden[1, 12:] = NAN
    log_probs = torch.full((2, 24, 3), 1 / 3).log()
    log_probs[1, 12:] = NAN
    max_len = int(24 / ratio)
    assert torch.equal(
        align_hidden(hidden, frames, ratio, max_len), torch.ones(2, max_len, 3)
    )
    assert not align_posteriors(log_probs, frames, ratio, max_len, 0).isnan().any()


def test_frames_past_the_teachers_end_repeat_its_last_one():
    assert hidden_of(4, 2.0, 4, garbage_frames=2) == [5.0, 25.0, 30.0, 30.0]


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0, 4.0, 8.0])
def test_a_spike_of_one_frame_survives_whichever_its_phase(ratio):
    frames = 24
    for at in range(frames):
        log_probs = spikes(frames, [at])
        got = align_posteriors(
            log_probs, torch.tensor([frames]), ratio, int(frames / ratio), 0
        )
        found = (got[0].argmax(dim=-1) == 1).nonzero().flatten().tolist()
        # the one student frame whose stretch of audio holds the teacher's frame
        assert found == [int((at + 0.5) / ratio)], at
        assert torch.equal(got[0, found[0]], log_probs[0, at])


@pytest.mark.parametrize("ratio, copies", [(0.5, 2), (0.25, 4)])
def test_a_slower_teacher_is_repeated(ratio, copies):
    log_probs = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    got = align_posteriors(log_probs, torch.tensor([5]), ratio, 5 * copies, 0)
    assert torch.equal(got, log_probs.repeat_interleave(copies, dim=1))


@pytest.mark.parametrize("ratio", [0.25, 0.75, 1.5, 4.0])
def test_aligned_posteriors_are_frames_of_the_teacher(ratio):
    log_probs = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0))
    log_probs = log_probs.log_softmax(-1)
    got = align_posteriors(log_probs, torch.tensor([12]), ratio, int(12 / ratio), 0)
    for frame in got[0]:
        assert (log_probs[0] == frame).all(dim=-1).any()


def test_posteriors_of_windows_without_a_spike_take_the_least_blank_frame():
    blank = torch.tensor([0.9, 0.7, 0.8, 0.95, 0.99, 0.98, 0.97, 0.6])
    log_probs = torch.stack([blank, 1 - blank], dim=-1).log().unsqueeze(0)
    got = align_posteriors(log_probs, torch.tensor([8]), 4.0, 2, 0)
    torch.testing.assert_close(got[0, :, 0].exp(), torch.tensor([0.7, 0.6]))


def test_posteriors_find_a_blank_that_is_last():
    log_probs = spikes(8, [2]).flip(-1)  # blank 2, spike on token 1
    got = align_posteriors(log_probs, torch.tensor([8]), 4.0, 2, 2)
    assert got[0].argmax(dim=-1).tolist() == [1, 2]


def test_align_hidden_takes_half_precision():
    got = align_hidden(ramp(6).half(), torch.tensor([6]), 2.0, 3)
    assert got.dtype == torch.float16
    assert got.flatten().tolist() == [5.0, 25.0, 45.0]


@pytest.mark.parametrize(
    "student, teacher, ratio, expected",
    [
        (10, 40, 4.0, 10),
        (10, 38, 4.0, 10),  # centre 37.5 lies inside frame 37
        (10, 37, 4.0, 9),
        (40, 10, 0.25, 40),
        (40, 9, 0.25, 36),
        (12, 18, 1.5, 12),
        (0, 3, 1.0, 0),
    ],
)
def test_valid_lens_counts_frames_whose_centre_is_covered(
    student, teacher, ratio, expected
):
    got = valid_lens(torch.tensor([student]), torch.tensor([teacher]), ratio)
    assert got.tolist() == [expected]
    assert got.dtype == torch.int64


@pytest.mark.parametrize(
    "student, teacher, ratio", [(50, 45, 1.0), (50, 55, 1.0), (50, 150, 4.0)]
)
def test_lengths_that_do_not_fit_are_refused(student, teacher, ratio):
    lens = torch.tensor([50, student]), torch.tensor([int(50 * ratio), teacher])
    with pytest.raises(
        RuntimeError, match=f"50 student frames.*got {teacher}.*apply_time_warp"
    ):
        valid_lens(*lens, ratio)
