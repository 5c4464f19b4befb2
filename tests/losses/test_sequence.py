import math

import pytest
import torch
from torch.autograd import gradcheck

from espnet_tutornet.losses.masking import make_pad_mask
from espnet_tutornet.losses.sequence import (
    SequenceLoss,
    ctc_log_probs,
    utterance_ctc,
)

STUDENT = torch.tensor([[[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]]]).log()
TWO = torch.tensor([2])


def saying(*rows, vocab_size=3):
    probs = torch.nn.functional.one_hot(torch.tensor(rows), vocab_size) * 0.85 + 0.05
    return probs.log()


def test_loss_by_hand_on_two_frames():
    # paths of student for the sequence 1: 1 1, 1 -, - 1
    expected = -math.log(0.3 * 0.4 + 0.3 * 0.4 + 0.5 * 0.4)
    got = SequenceLoss()(STUDENT, TWO, saying([1, 1]), TWO)
    assert got.item() == pytest.approx(expected, rel=1e-5)
    # and for 1 2 the one path
    got = SequenceLoss()(STUDENT, TWO, saying([1, 2]), TWO)
    assert got.item() == pytest.approx(-math.log(0.3 * 0.2), rel=1e-5)


def test_two_hypotheses_by_hand_and_the_empty_one_counts_zero():
    teacher = torch.tensor([[[0.6, 0.4, 0.0], [0.6, 0.4, 0.0]]]).log()
    # 1 with 0.64, nothing with 0.36
    got = SequenceLoss(nbest=2)(STUDENT, TWO, teacher, TWO)
    assert got.item() == pytest.approx(-0.64 * math.log(0.44), rel=1e-5)


def test_it_is_averaged_over_utterances():
    student = torch.cat([STUDENT, STUDENT])
    teacher = torch.cat([saying([1, 2]), saying([0, 0])])
    got = SequenceLoss()(student, TWO.expand(2), teacher, TWO.expand(2))
    assert got.item() == pytest.approx(-math.log(0.3 * 0.2) / 2, rel=1e-5)


@pytest.mark.parametrize(
    "said, frames, zero",
    [
        ([0, 0, 0, 0], 4, True),  # empty
        ([1, 2, 1, 2], 4, False),
        ([1, 2, 1, 2], 3, True),  # four labels, three frames
        ([1, 0, 1, 0], 2, True),  # two of a kind need a blank between them
        ([1, 0, 1, 0], 3, False),
        ([1, 0, 2, 0], 2, False),
        ([1, 1, 1, 1], 0, True),
    ],
)
@pytest.mark.parametrize("nbest", [1, 2])
def test_what_does_not_fit_counts_zero(said, frames, zero, nbest):
    torch.manual_seed(0)
    student = torch.randn(1, 5, 3, requires_grad=True)
    teacher = torch.nn.functional.one_hot(torch.tensor([said]), 3).float().log()
    lens = torch.tensor([frames])
    loss = SequenceLoss(nbest)(student, lens, teacher, torch.tensor([4]))
    loss.backward()
    assert (loss.item() == 0.0) is zero
    assert bool(student.grad.any()) is not zero
    assert student.grad.isfinite().all()


def test_it_equals_espnets_ctc_on_the_same_labels():
    from espnet2.asr.ctc import CTC

    torch.manual_seed(0)
    ctc = CTC(odim=6, encoder_output_size=4)
    hidden, lens = torch.randn(3, 9, 4), torch.tensor([9, 7, 5])
    teacher = torch.randn(3, 12, 6).mul(3).log_softmax(-1)
    teacher_lens = torch.tensor([4, 3, 4])
    text = torch.full((3, 4), -1)
    text_lens = []
    for b, frames in enumerate(teacher_lens.tolist()):
        best = teacher[b, :frames].argmax(-1).unique_consecutive()
        best = best[best != 0]
        text[b, : len(best)] = best
        text_lens.append(len(best))
    assert min(text_lens) > 0
    expected = ctc(hidden, lens, text, torch.tensor(text_lens))
    got = SequenceLoss()(ctc.ctc_lo(hidden), lens, teacher, teacher_lens)
    torch.testing.assert_close(got, expected)


def test_gradient_agrees_with_finite_differences():
    torch.manual_seed(0)
    student = torch.randn(2, 4, 3, dtype=torch.double, requires_grad=True)
    teacher = torch.randn(2, 5, 3).mul(2).log_softmax(-1)
    lens, teacher_lens = torch.tensor([4, 3]), torch.tensor([5, 2])
    for nbest in (1, 3):
        loss = SequenceLoss(nbest)
        assert gradcheck(lambda x: loss(x, lens, teacher, teacher_lens), (student,))


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("nbest", [1, 2])
def test_loss_and_gradient_do_not_see_padding(nbest, garbage):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 6, 4), torch.randn(2, 5, 4).mul(2).log_softmax(-1)
    lens, teacher_lens = torch.tensor([6, 4]), torch.tensor([5, 3])
    outcome = []
    for value in (0.0, garbage):
        x = student.masked_fill(make_pad_mask(lens, 6).unsqueeze(-1), value)
        y = teacher.masked_fill(make_pad_mask(teacher_lens, 5).unsqueeze(-1), value)
        x.requires_grad_()
        loss = SequenceLoss(nbest)(x, lens, y, teacher_lens)
        loss.backward()
        outcome.append((loss.detach(), x.grad))
    torch.testing.assert_close(outcome[1], outcome[0])
    assert outcome[0][0] > 0 and not outcome[1][1][1, 4:].any()


def test_no_gradient_reaches_the_teacher():
    teacher = saying([1, 2]).requires_grad_()
    student = STUDENT.clone().requires_grad_()
    SequenceLoss(2)(student, TWO, teacher, TWO).backward()
    assert student.grad.any() and teacher.grad is None


def test_half_precision_is_computed_in_float32():
    teacher = saying([1, 2])
    for dtype in (torch.float16, torch.bfloat16):
        half = STUDENT.to(dtype)
        got = SequenceLoss()(half, TWO, teacher, TWO)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, SequenceLoss()(half.float(), TWO, teacher, TWO))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = SequenceLoss()(STUDENT, TWO, teacher, TWO)
    assert torch.equal(under, SequenceLoss()(STUDENT, TWO, teacher, TWO))


def test_a_label_that_the_student_excludes_counts_zero_as_in_espnet():
    student = torch.tensor([[[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]]).log().requires_grad_()
    loss = SequenceLoss()(student, TWO, saying([2, 2]), TWO)
    loss.backward()
    assert loss.item() == 0.0 and not student.grad.nan_to_num(1.0)[0, :, :2].any()


def test_padding_of_labels_may_hold_anything():
    log_probs = ctc_log_probs(STUDENT, TWO)
    one = torch.tensor([1])
    clean = utterance_ctc(log_probs, TWO, torch.tensor([[1]]), one, 0)
    for rest in (-1, 1, 99):
        labels = torch.tensor([[1, rest, rest]])
        assert torch.equal(utterance_ctc(log_probs, TWO, labels, one, 0), clean)


@pytest.mark.parametrize("nbest", [0, -1, 1.5, True, "2"])
def test_a_number_that_is_none_is_refused(nbest):
    with pytest.raises(ValueError, match=f"number of hypotheses.*got {nbest!r}"):
        SequenceLoss(nbest)


def test_other_tokens_are_refused():
    with pytest.raises(ValueError, match="same tokens.*got 3 and 4 tokens"):
        SequenceLoss()(STUDENT, TWO, saying([1, 2], vocab_size=4), TWO)
    with pytest.raises(ValueError, match=r"in \[0, 3\), got 3. See token_list"):
        SequenceLoss()(STUDENT, TWO, saying([1, 2]), TWO, blank_id=3)
