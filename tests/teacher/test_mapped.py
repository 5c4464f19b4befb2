from dataclasses import replace

import pytest
import torch

from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.ensemble import TeacherEnsemble
from espnet_tutornet.teacher.mapped import MappedTeacher, map_teacher

TOKENS = ["<blank>", "<unk>", "a", "b", "c", "<sos/eos>"]
FEWER = ["<blank>", "<unk>", "b", "<sos/eos>"]
PLAN = Manifest(
    fingerprint="f" * 64,
    fs=8000,
    frame_shift=320.0,
    token_list=TOKENS,
    blank_id=0,
    layers={"last": {"form": "two_byte", "width": 3, "codes": 0}},
    top_k=3,
)


class Fixed:
    """A teacher that says always the same, and keeps what it was asked."""

    sizes, fs, frame_shift = {"last": 3}, 8000, 320.0
    token_list, blank_id = TOKENS, 0

    def __init__(self, probs, decoded=None):
        self.probs, self.decoded, self.asked = probs, decoded, []

    def __call__(self, batch):
        self.asked.append(batch)
        lens = torch.full((len(self.probs),), self.probs.size(1))
        hidden = {"last": torch.zeros(*self.probs.shape[:2], 3)}
        said = (hidden, self.probs.log(), self.frame_shift, self.decoded)
        return TeacherOutputs(lens, *said)


@pytest.fixture
def probs():
    torch.manual_seed(0)
    return torch.randn(2, 4, 6).mul(2).softmax(-1)


def stream(plan, probs):
    form = plan.forms({})["posteriors"]
    kept = torch.stack([torch.as_tensor(form.encode(x.log())) for x in probs])
    hidden = torch.zeros(*kept.shape[:2], 3)
    lens = torch.tensor([4] * len(kept))
    return {"teacher": torch.cat([hidden, kept], -1), "teacher_lengths": lens}


def expected_of(log_probs):
    probs = log_probs.exp()
    kept = probs[..., [0, 1, 3, 5]]
    kept[..., 1] += probs[..., [2, 4]].sum(-1)
    return kept


def test_a_teacher_says_the_students_tokens_and_reads_its_own(probs):
    decoded = torch.randn(2, 3, 6).log_softmax(-1)
    inner = Fixed(probs, decoded)
    teacher = map_teacher(inner, FEWER)
    said = teacher({"text": torch.tensor([[2, 3], [2, -1]])})
    torch.testing.assert_close(said.log_probs.exp(), expected_of(probs.log()))
    torch.testing.assert_close(said.decoder_log_probs.exp(), expected_of(decoded))
    assert inner.asked[0]["text"].tolist() == [[3, 5], [3, -1]]
    assert teacher.token_list == FEWER and teacher.sizes == inner.sizes
    assert said.hidden["last"].shape == (2, 4, 3)


@pytest.mark.parametrize("top_k", [2, 3, 6])
@pytest.mark.parametrize("unseen", ["unk", "renormalise"])
def test_a_cache_is_mapped_as_the_posteriors_that_it_holds(probs, top_k, unseen):
    plan = replace(PLAN, top_k=top_k)
    batch = stream(plan, probs)
    whole = CachedTeacher(plan, {})(batch)
    mapped = map_teacher(CachedTeacher(plan, {}), FEWER, unseen)
    assert isinstance(mapped, CachedTeacher) and mapped.token_list == FEWER
    said = mapped(batch)
    by_hand = map_teacher(Fixed(whole.log_probs.exp()), FEWER, unseen)({})
    close = dict(atol=2e-4, rtol=0)  # two bytes
    torch.testing.assert_close(said.log_probs.exp(), by_hand.log_probs.exp(), **close)
    assert torch.equal(said.hidden["last"], whole.hidden["last"])


def test_who_stands_in_for_a_cache_is_mapped_too(probs):
    batch = stream(PLAN, probs)
    batch["teacher_lengths"] = torch.tensor([4, 0])
    batch.update(speech=torch.zeros(2, 9), speech_lengths=torch.tensor([9, 9]))
    cached = CachedTeacher(PLAN, {}, substitute=Fixed(probs[1:]))
    said = map_teacher(cached, FEWER)(batch)
    assert said.log_probs.shape == (2, 4, 4)
    torch.testing.assert_close(said.log_probs[1].exp(), expected_of(probs[1].log()))


def test_of_several_teachers_each_is_mapped(probs):
    others = probs.flip(0)
    members = {"a": Fixed(probs), "b": Fixed(others)}
    both = map_teacher(TeacherEnsemble(members, "average"), FEWER)
    assert isinstance(both, TeacherEnsemble) and both.token_list == FEWER
    said = both({"text": torch.tensor([[2], [2]]), "text_lengths": torch.ones(2)})
    expected = expected_of(((probs + others) / 2).log())
    torch.testing.assert_close(said.log_probs.exp(), expected)


def test_without_a_mapping_the_teacher_stays_as_it_is(probs):
    teacher = Fixed(probs)
    for tokens in (TOKENS, ["<blank>", "<unk>", "x"]):
        assert map_teacher(teacher, tokens) is teacher


def test_without_posteriors_there_is_nothing_to_map():
    class Silent(Fixed):
        def __call__(self, batch):
            return replace(super().__call__(batch), log_probs=None)

    teacher = map_teacher(Silent(torch.ones(1, 2, 6)), FEWER)
    assert isinstance(teacher, MappedTeacher) and teacher({}).log_probs is None
