import pytest
import torch

from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.teacher.ensemble import TeacherEnsemble, weigh_by_errors
from espnet_tutornet.teacher.online import OnlineTeacher

TOKENS = ["<blank>", "A", "<space>", "B"]
# one frame a token; "A B" is A <space> B
RIGHT, WRONG = [1, 2, 3, 0], [3, 0, 0, 0]


class Fixed:
    """A teacher that always says the same."""

    sizes, fs, token_list, blank_id = {"last": 2}, 16000, TOKENS, 0

    def __init__(self, rows, frame_shift=640.0, sure=0.7, frames=None):
        self.frame_shift, self.frames = frame_shift, frames or len(rows[0])
        probs = torch.full((len(rows), len(rows[0]), 4), (1 - sure) / 3)
        ids = torch.tensor(rows).unsqueeze(-1)
        self.probs = probs.scatter(-1, ids, sure)

    def __call__(self, batch):
        lens = torch.full((len(self.probs),), self.frames)
        hidden = {"last": self.probs[..., :2]}
        return TeacherOutputs(lens, hidden, self.probs.log(), self.frame_shift)


@pytest.fixture
def heard():
    text = torch.tensor([[1, 2, 3], [1, 2, 3]])
    return {"text": text, "text_lengths": torch.tensor([3, 3])}


def probs_of(members, combine, heard):
    names = dict(zip("abc", members))
    return TeacherEnsemble(names, combine)(heard).log_probs.exp()


def test_average_by_hand(heard):
    one, two = Fixed([RIGHT, RIGHT]), Fixed([WRONG, RIGHT], sure=0.4)
    probs = probs_of([one, two], "average", heard)
    torch.testing.assert_close(probs, (one.probs + two.probs) / 2)


def test_weights_fall_with_the_error_of_each_utterance(heard):
    # "A B" against "A B": no error; "B" against "A B": one word of two
    one, two = Fixed([RIGHT, WRONG]), Fixed([WRONG, WRONG])
    probs = probs_of([one, two], "weighted", heard)
    first = (1.0 * one.probs[0] + 0.5 * two.probs[0]) / 1.5
    torch.testing.assert_close(probs[0], first)
    torch.testing.assert_close(probs[1], (one.probs[1] + two.probs[1]) / 2)


def test_a_teacher_that_is_all_wrong_keeps_a_little_weight():
    # a WER above one (insertions), and two that are all wrong
    weights = weigh_by_errors(torch.tensor([[0.01, 2.0], [1.5, 1.0]]))
    torch.testing.assert_close(weights[:, 0], torch.tensor([0.99, 0.01]))
    assert weights[:, 1].tolist() == [0.5, 0.5]


def test_the_best_of_each_utterance_is_taken_whole(heard):
    one, two = Fixed([RIGHT, WRONG]), Fixed([WRONG, RIGHT], sure=0.4)
    probs = probs_of([one, two], "best", heard)
    torch.testing.assert_close(probs, torch.stack([one.probs[0], two.probs[1]]))


def test_a_token_over_several_frames_counts_once(heard):
    # A A _ _ <space> ... is "A B", A _ A _ <space> ... is "AA B"
    right = [[1, 1, 0, 0, 2, 2, 3, 3]] * 2
    wrong = [[1, 0, 1, 0, 2, 2, 3, 3]] * 2
    one, two = Fixed(wrong), Fixed(right)
    probs = probs_of([one, two], "best", heard)
    torch.testing.assert_close(probs, two.probs)


def test_padding_is_not_read(heard):
    right = Fixed([[*RIGHT, 1, 1]] * 2, frames=4)  # "A BA" with its padding
    wrong = Fixed([[1, 3, 2, 3, 0, 0]] * 2)  # "AB B", one word of two
    probs = probs_of([wrong, right], "best", heard)
    torch.testing.assert_close(probs[:, :4], right.probs[:, :4])


def test_without_a_transcript_the_first_of_equals_is_the_best(heard):
    heard["text_lengths"] = torch.tensor([0, 3])
    one, two = Fixed([WRONG, WRONG]), Fixed([RIGHT, RIGHT])
    probs = probs_of([one, two], "best", heard)
    torch.testing.assert_close(probs, torch.stack([one.probs[0], two.probs[1]]))


def test_a_faster_teacher_is_aligned_to_the_first(heard):
    slow = Fixed([RIGHT, RIGHT])
    fast = Fixed([[1, 1, 2, 2, 3, 3, 0, 0]] * 2, frame_shift=320.0)
    outputs = TeacherEnsemble({"a": slow, "b": fast})(heard)
    torch.testing.assert_close(outputs.log_probs.exp(), slow.probs)
    assert outputs.frame_shift == 640.0 and outputs.lens.tolist() == [4, 4]
    assert torch.equal(outputs.hidden["last"], slow.probs[..., :2])


def test_teachers_of_different_topology_teach_together(build_asr, batch):
    members = {
        "conformer": OnlineTeacher(build_asr(1, "conformer")),
        "rnn": OnlineTeacher(build_asr(2, "rnn"), layers=()),
    }
    outputs = TeacherEnsemble(members)(batch)
    alone = members["conformer"](batch)
    assert torch.equal(outputs.lens, alone.lens)
    assert torch.equal(outputs.hidden["last"], alone.hidden["last"])
    sums = outputs.log_probs.exp().sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))
    frames = int(alone.lens[1])
    other = members["rnn"](batch).log_probs[1, :frames].exp()
    expected = (alone.log_probs[1, :frames].exp() + other) / 2
    torch.testing.assert_close(outputs.log_probs[1, :frames].exp(), expected)


def changed(**attributes):
    teacher = Fixed([RIGHT])
    for name, value in attributes.items():
        setattr(teacher, name, value)
    return teacher


@pytest.mark.parametrize(
    "members, combine, message",
    [
        ({"a": Fixed([RIGHT])}, "average", r"two teachers or more, got \['a'\]"),
        ({}, "vote", r"combine must be one of \['average', 'best', 'weighted'\]"),
        (
            {"a": Fixed([RIGHT]), "b": changed(token_list=TOKENS[:3])},
            "average",
            r"teachers a and b have different token lists \(4 and 3",
        ),
        (
            {"a": Fixed([RIGHT]), "b": changed(fs=8000)},
            "average",
            "a was trained at 16000 Hz and b at 8000 Hz",
        ),
    ],
)
def test_teachers_that_cannot_be_combined_are_refused(members, combine, message):
    with pytest.raises(ValueError, match=message):
        TeacherEnsemble(members, combine)
