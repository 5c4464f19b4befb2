from dataclasses import replace

import pytest
import torch

from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.losses import RepresentationLoss, make_pad_mask
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.teacher.cached import CachedTeacher

PLAN = Manifest(
    fingerprint="f" * 64,
    fs=8000,
    frame_shift=320.0,
    token_list=["<blank>", "a", "b"],
    blank_id=0,
    layers={
        name: {"form": "two_byte", "width": width, "codes": 0}
        for name, width in (("encoders.0", 2), ("last", 3))
    },
    top_k=3,
)
LENGTHS = torch.tensor([4, 2])


@pytest.fixture
def stream():
    torch.manual_seed(0)
    hidden = torch.randn(2, 4, 5)
    probs = torch.randn(2, 4, 3).softmax(-1)
    matrix = torch.cat([hidden, (probs * 32767).round()], dim=-1)
    matrix[1, 2:] = 0.0
    return {"teacher": matrix, "teacher_lengths": LENGTHS}


def test_the_stream_is_unpacked(stream):
    teacher = CachedTeacher(PLAN, {}, layers=("last", "encoders.0"))
    outputs = teacher(stream)
    matrix = stream["teacher"]
    assert torch.equal(outputs.lens, LENGTHS)
    assert torch.equal(outputs.hidden["encoders.0"], matrix[..., :2])
    assert torch.equal(outputs.hidden["last"], matrix[..., 2:5])
    probs = matrix[0, :, 5:] / 32767
    torch.testing.assert_close(outputs.log_probs[0].exp(), probs)
    assert outputs.frame_shift == 320.0
    assert teacher.sizes == {"last": 3, "encoders.0": 2}
    assert (teacher.token_list, teacher.blank_id, teacher.fs) == (
        PLAN.token_list,
        0,
        8000,
    )


def test_what_is_not_asked_for_is_not_reported(stream):
    outputs = CachedTeacher(PLAN, {}, use_posteriors=False)(stream)
    assert set(outputs.hidden) == {"last"} and outputs.log_probs is None


@pytest.mark.parametrize(
    "plan, layers, missing",
    [
        (PLAN, ("last", "encoders.1"), r"no \['encoders.1'\], only \['encoders.0', "),
        (replace(PLAN, top_k=0), ("last",), r"no \['posteriors'\], only"),
    ],
)
def test_a_cache_without_what_the_terms_read_is_refused(plan, layers, missing):
    with pytest.raises(ValueError, match=missing + ".*stage 8"):
        CachedTeacher(plan, {}, layers=layers)


def test_a_batch_without_the_stream_is_refused():
    with pytest.raises(ValueError, match=r"no stream 'teacher', only \['speech'\]"):
        CachedTeacher(PLAN, {})({"speech": torch.zeros(1, 2)})


def test_an_utterance_without_outputs_is_refused_without_a_substitute(stream):
    stream["teacher_lengths"] = torch.tensor([4, 0])
    with pytest.raises(RuntimeError, match="1 utterances of a batch are not.*online"):
        CachedTeacher(PLAN, {})(stream)


@pytest.mark.parametrize("frames", [2, 6])
def test_a_substitute_is_asked_about_the_absent_alone(stream, frames):
    asked = []

    def substitute(batch):
        asked.append(batch)
        hidden = {"last": torch.full((1, frames, 3), 7.0)}
        return TeacherOutputs(
            torch.tensor([frames]), hidden, torch.full((1, frames, 3), -1.0), 320.0
        )

    speech = torch.arange(6.0).reshape(2, 3)
    stream.update(speech=speech, speech_lengths=torch.tensor([3, 2]))
    stream["teacher_lengths"] = torch.tensor([4, 0])
    outputs = CachedTeacher(PLAN, {}, substitute=substitute)(stream)
    assert len(asked) == 1
    assert torch.equal(asked[0]["speech"], speech[1:])
    assert asked[0]["speech_lengths"].tolist() == [2]
    assert outputs.lens.tolist() == [4, frames]
    assert torch.equal(outputs.hidden["last"][0, :4], stream["teacher"][0, :, 2:5])
    assert (outputs.hidden["last"][1, :frames] == 7.0).all()
    assert (outputs.log_probs[1, :frames] == -1.0).all()
    assert outputs.hidden["last"].size(1) == max(4, frames)


SILENT = {  # posteriors of every frame; hidden states of 0 or 1
    "nonblank": ([1 - 1e-5, 5e-6, 5e-6], 1.0),
    "peak": ([1 - 1e-5, 5e-6, 5e-6], 1.0),
    "mask": ([0.6, 0.2, 0.2], 1.0),
    "energy": ([0.2, 0.4, 0.4], 0.0),
    "entropy": ([1 / 3, 1 / 3, 1 / 3], 1.0),
}


@pytest.mark.parametrize("top_k", [2, 3])
@pytest.mark.parametrize("frame_weights", sorted(SILENT))
def test_an_utterance_without_any_weight_counts_nothing(frame_weights, top_k):
    """In two bytes blank has a probability of one from 0.999985 on."""
    torch.manual_seed(0)
    plan = replace(PLAN, top_k=top_k)
    probs, hidden = torch.randn(2, 9, 3).softmax(-1), torch.randn(2, 9, 5)
    probs[1] = torch.tensor(SILENT[frame_weights][0])
    hidden[1] *= SILENT[frame_weights][1]
    form = plan.forms({})["posteriors"]
    kept = torch.stack([torch.as_tensor(form.encode(x.log())) for x in probs])
    lens = torch.tensor([9, 8])
    matrix = torch.cat([hidden, kept], dim=-1)
    matrix[1, 8:] = 0.0
    said = CachedTeacher(plan, {})({"teacher": matrix, "teacher_lengths": lens})
    loss = RepresentationLoss(4, 3, frame_weights=frame_weights)
    student = torch.randn(2, 9, 4, requires_grad=True)
    batch = (student, said.hidden["last"], said.log_probs, make_pad_mask(lens, 9))
    value = loss(*batch)
    torch.testing.assert_close(value, loss(*[x[:1] for x in batch]) / 2)
    value.backward()
    assert value > 0.0 and student.grad[0].any() and not student.grad[1].any()
    assert all(p.grad.isfinite().all() for p in loss.parameters())
