import pytest
import torch

from espnet_tutornet.layers.token_mapping import TokenMapping, find_mapping

TEACHER = ["<blank>", "<unk>", "a", "b", "c", "d", "<sos/eos>"]
STUDENT = ["<blank>", "<unk>", "b", "d", "<sos/eos>"]
PROBS = [0.4, 0.05, 0.1, 0.2, 0.1, 0.1, 0.05]


@pytest.mark.parametrize(
    "unseen, expected",
    [
        ("unk", [0.4, 0.25, 0.2, 0.1, 0.05]),
        ("renormalise", [0.5, 0.0625, 0.25, 0.125, 0.0625]),
    ],
)
def test_by_hand(unseen, expected):
    mapping = TokenMapping(STUDENT, TEACHER, unseen=unseen)
    mapped = mapping.map_all(torch.tensor([[PROBS]]).log()).exp()
    torch.testing.assert_close(mapped, torch.tensor([[expected]]))
    assert mapping.token_list == STUDENT and mapping.blank_id == 0


@pytest.mark.parametrize("kept", [[0, 3, 2], [0, 1, 2], [0, 2, 4], [0, 5, 3, 6, 1, 4]])
@pytest.mark.parametrize("unseen", ["unk", "renormalise"])
def test_a_few_tokens_are_mapped_as_all_are(unseen, kept):
    """Also where <unk> is among them, where two are unseen, and where most are kept."""
    ids = torch.tensor([[kept]])
    probs = torch.tensor([[PROBS]]).gather(-1, ids)
    share = (1.0 - probs.sum(-1, keepdim=True)) / (7 - len(kept))
    dense = share.expand(1, 1, 7).scatter(-1, ids, probs)
    mapping = TokenMapping(STUDENT, TEACHER, unseen=unseen)
    expected = mapping.map_all(dense.log()).exp()
    mapped = mapping.map_kept(ids, probs, share).exp()
    torch.testing.assert_close(mapped, expected)
    torch.testing.assert_close(mapped.sum(-1), torch.ones(1, 1))


def test_a_teacher_that_is_sure_of_an_unseen_token_stays_finite():
    probs = torch.zeros(1, 1, 7)
    probs[..., 2] = 1.0
    ids = torch.tensor([[[0, 2]]])
    for unseen in ("unk", "renormalise"):
        mapping = TokenMapping(STUDENT, TEACHER, unseen=unseen)
        log_probs = probs.clamp_min(1e-8).log()
        kept = (ids, probs.gather(-1, ids), torch.zeros(1, 1, 1))
        for mapped in (mapping.map_all(log_probs), mapping.map_kept(*kept)):
            assert mapped.isfinite().all()
            if unseen == "unk":
                assert mapped[0, 0, 1] == pytest.approx(0.0, abs=1e-5)


def test_blank_is_where_it_is_whatever_its_name():
    teacher = ["<s>", "<pad>", "<unk>", "a", "b"]
    mapping = TokenMapping(["<blank>", "<unk>", "b"], teacher, blank_id=1)
    probs = torch.tensor([0.1, 0.5, 0.1, 0.2, 0.1])
    mapped = mapping.map_all(probs.log()).exp()
    torch.testing.assert_close(mapped, torch.tensor([0.5, 0.4, 0.1]))


def test_text_is_read_in_the_teachers_ids_and_padding_stays():
    text = torch.tensor([[2, 3, 4], [3, -1, -1]])
    ids = TokenMapping(STUDENT, TEACHER).find_ids(text)
    assert ids.tolist() == [[3, 5, 6], [5, -1, -1]]


@pytest.mark.parametrize(
    "student",
    [
        TEACHER,
        ["<blank>", "<unk>", "d", "b", "<sos/eos>"],
        ["<blank>", "<unk>", "b", "z", "<sos/eos>"],
        ["<blank>", "b", "d", "<sos/eos>"],
    ],
)
def test_there_is_no_mapping_between_the_same_tokens_or_others(student):
    assert find_mapping(student, TEACHER) is None
    assert find_mapping(STUDENT, TEACHER) is not None


def test_tokens_that_the_teacher_lacks_are_refused():
    message = "5 tokens must be some of the teacher's 6.*--student_tokens seen"
    with pytest.raises(ValueError, match=message):
        TokenMapping(STUDENT, TEACHER[:-1])
    with pytest.raises(ValueError, match=r"\['renormalise', 'unk'\], got 'drop'"):
        TokenMapping(STUDENT, TEACHER, unseen="drop")
