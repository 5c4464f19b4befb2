from contextlib import nullcontext

import pytest
import torch

from espnet_tutornet.losses import RepresentationLoss, make_pad_mask
from espnet_tutornet.teacher.online import OnlineTeacher


@pytest.fixture(scope="module")
def teacher(teacher_files):
    return OnlineTeacher.from_files(*teacher_files)


def listen(teacher, batch):
    return teacher(batch)


def test_outputs_are_what_the_model_says(teacher, batch):
    outputs = listen(teacher, batch)
    with torch.no_grad():
        hidden, lens = teacher.model.encode(batch["speech"], batch["speech_lengths"])
        log_probs = teacher.model.ctc.log_softmax(hidden)
    assert torch.equal(outputs.hidden["last"], hidden)
    assert torch.equal(outputs.lens, lens)
    assert torch.equal(outputs.log_probs, log_probs)
    assert outputs.frame_shift == 640.0
    assert teacher.sizes == {"last": 12}


def test_teacher_hears_neither_specaug_nor_dropout(teacher, batch):
    first, second = listen(teacher, batch), listen(teacher, batch)
    assert torch.equal(first.hidden["last"], second.hidden["last"])
    teacher.model.train()  # the trap: in training mode it would
    try:
        third = listen(teacher, batch)
    finally:
        teacher.model.eval()
    assert not torch.equal(first.hidden["last"], third.hidden["last"])


def test_outputs_carry_no_graph(teacher, batch):
    batch["speech"].requires_grad_()
    outputs = listen(teacher, batch)
    assert not outputs.log_probs.requires_grad
    assert not outputs.hidden["last"].requires_grad


def test_layers_are_reported_as_named(teacher_files, batch):
    teacher = OnlineTeacher.from_files(
        *teacher_files, layers=("encoders.0",), use_posteriors=False
    )
    outputs = listen(teacher, batch)
    assert set(outputs.hidden) == {"encoders.0"}
    assert outputs.hidden["encoders.0"].shape[:2] == (2, int(outputs.lens.max()))
    assert outputs.log_probs is None


def test_a_trained_model_is_frozen_when_handed_over(build_asr):
    model = build_asr(0).train()
    OnlineTeacher(model)
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(m.training for m in model.modules())


def test_teacher_is_not_a_module(teacher):
    assert not isinstance(teacher, torch.nn.Module)


def test_unknown_layer_lists_the_layers(teacher_files):
    with pytest.raises(ValueError, match="no layer 'encoders.7'.*encoders.0"):
        OnlineTeacher.from_files(*teacher_files, layers=("encoders.7",))


def test_posteriors_of_a_teacher_without_ctc_are_refused(build_asr):
    model = build_asr(0, hybrid=True, model_conf=dict(ctc_weight=0.0))
    with pytest.raises(ValueError, match="no CTC branch.*frame_weights: none"):
        OnlineTeacher(model)
    assert OnlineTeacher(model, use_posteriors=False).sizes == {"last": 8}


def silence(model, frame_weights):
    """Let no frame of any utterance have a weight."""
    torch.nn.init.zeros_(model.ctc.ctc_lo.weight)
    torch.nn.init.zeros_(model.ctc.ctc_lo.bias)
    if frame_weights == "energy":
        torch.nn.init.zeros_(model.encoder.after_norm.weight)
        torch.nn.init.zeros_(model.encoder.after_norm.bias)
    elif frame_weights != "entropy":
        model.ctc.ctc_lo.bias[model.blank_id] = 50.0  # of 7 tokens: all but certain


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "frame_weights", ["nonblank", "peak", "mask", "energy", "entropy"]
)
def test_a_teacher_that_says_nothing_teaches_nothing(
    build_asr, batch, frame_weights, dtype
):
    model = build_asr(1).requires_grad_(False)
    silence(model, frame_weights)
    teacher = OnlineTeacher(model)
    loss = RepresentationLoss(4, 8, frame_weights=frame_weights)
    under = torch.autocast("cpu", dtype=dtype) if dtype else nullcontext()
    with under:
        said = listen(teacher, batch)
        frames = said.hidden["last"].size(1)
        student = torch.randn(2, frames, 4, requires_grad=True)
        mask = make_pad_mask(said.lens, frames)
        value = loss(student, said.hidden["last"], said.log_probs, mask)
    value.backward()
    assert frames > 4 and value == 0.0 and not student.grad.any()
    assert not any(p.grad.any() for p in loss.parameters())
