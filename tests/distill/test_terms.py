"""SKD of the attention decoder: a hybrid student and its hybrid teacher."""

import pytest
import torch

from espnet_tutornet.distill.distiller import Distiller, term_needs
from espnet_tutornet.distill.terms import DecoderTerm, needs_tokens
from espnet_tutornet.layers.padding import mask_padding
from espnet_tutornet.losses import SoftmaxLoss
from espnet_tutornet.outputs import StudentOutputs
from espnet_tutornet.teacher.ensemble import TeacherEnsemble
from espnet_tutornet.teacher.online import OnlineTeacher

DECODER = {"decoder": {"criterion": "kl", "weight": 0.5}}


@pytest.fixture(scope="module")
def teacher(build_asr):
    return OnlineTeacher(build_asr(1, hybrid=True), use_decoder=True)


@pytest.fixture
def distil(build_student, teacher):
    """Return distil(terms, task_weight, teacher): a hybrid conformer in eval mode."""

    def build(terms=DECODER, task_weight=1.0, tutor=teacher, hybrid=True):
        student = build_student(1, hybrid=hybrid)
        sizes = {"last": student.encoder.output_size()}
        distiller = Distiller(terms, sizes, tutor.sizes, tutor.blank_id)
        student.set_distillation(distiller, tutor, task_weight)
        return student.eval()

    return build


def without_text(batch, *gone):
    batch = {name: value.clone() for name, value in batch.items()}
    for b in gone:
        batch["text"][b], batch["text_lengths"][b] = -1, 0
    return batch


def test_a_student_that_is_its_teacher_has_nothing_to_learn(distil, batch):
    student = distil()
    mask_padding(student.encoder)  # as its teacher's is
    _, stats, _ = student(**batch)
    assert stats["loss_decoder"] == pytest.approx(0.0, abs=1e-6)
    assert stats["loss"] > 1.0  # ESPnet's own loss is there


def test_the_term_compares_both_decoders_after_every_token(distil, batch):
    student = distil()
    torch.nn.init.normal_(student.decoder.output_layer.weight)
    seen = {}

    def keep(name):
        def hook(module, inputs, output):
            seen[name] = output[0].detach()

        return hook

    student.decoder.register_forward_hook(keep("student"))
    handle = student.teacher.model.decoder.register_forward_hook(keep("teacher"))
    loss, stats, _ = student(**batch)
    handle.remove()
    # 3 and 2 tokens, and the end of the sentence
    pad_mask = torch.tensor([[False] * 4, [False] * 3 + [True]])
    log_probs = seen["teacher"].log_softmax(-1)
    expected = SoftmaxLoss("kl")(seen["student"], log_probs, pad_mask)
    assert float(stats["loss_decoder"]) == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    assert student.decoder.output_layer.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in student.teacher.model.parameters())


def test_an_utterance_without_transcript_counts_as_zero(distil, batch):
    student = distil()
    torch.nn.init.normal_(student.decoder.output_layer.weight)
    first, second = ({k: v[[b]] for k, v in batch.items()} for b in (0, 1))
    alone = [student(**one)[1]["loss_decoder"] for one in (first, second)]
    both = student(**batch)[1]["loss_decoder"]
    torch.testing.assert_close(both, sum(alone) / 2, atol=0.0, rtol=5e-3)
    only = student(**without_text(batch, 0))[1]["loss_decoder"]
    torch.testing.assert_close(only, alone[1] / 2, atol=0.0, rtol=5e-3)
    loss, stats, _ = student(**without_text(batch, 0, 1))
    assert stats["loss_decoder"] == 0.0
    loss.backward()


@pytest.mark.parametrize("value", [6e4, float("inf"), float("nan")])
def test_a_batch_without_transcripts_is_zero_whatever_its_padding_holds(value):
    """In half precision the sum over a batch was infinite, and times zero NaN."""
    hidden = torch.full((2, 9, 4), value, dtype=torch.float16, requires_grad=True)
    student = StudentOutputs(torch.tensor([9, 3]), {"last": hidden}, None, 640.0)
    loss = DecoderTerm()(student, None)
    loss.backward()
    assert loss == 0.0 and not hidden.grad.any()


def test_hybrid_teaches_ctc_and_decoder_of_a_hybrid_and_ctc_alone(distil, batch):
    stats = distil({"rkd": {}, "skd": {}, **DECODER})(**batch)[1]
    assert {"loss_rkd", "loss_skd", "loss_decoder", "loss_att", "loss_ctc"} <= set(
        stats
    )
    stats = distil({"skd": {}}, hybrid=False)(**batch)[1]
    assert stats["loss_skd"] >= 0.0 and "loss_decoder" not in stats


def test_several_teachers_mix_their_decoders(distil, batch, build_asr, teacher):
    other = OnlineTeacher(build_asr(2, "rnn", hybrid=True), use_decoder=True)
    outputs = TeacherEnsemble({"a": teacher, "b": other})(batch)
    mean = (
        teacher(batch).decoder_log_probs.exp() + other(batch).decoder_log_probs.exp()
    ) / 2
    torch.testing.assert_close(outputs.decoder_log_probs.exp(), mean)


def test_needs_are_told():
    assert term_needs(DECODER) == ((), (), False, True, False)
    assert not term_needs({"rkd": {}, "skd": {}}).decoder
    assert needs_tokens(DECODER) and needs_tokens({"skd_2": {}})
    assert not needs_tokens({"rkd": {}, "rkd_2": {}})


def test_a_student_without_decoder_is_refused(distil):
    message = "student has none .decoder, ctc_weight: 1.0."
    with pytest.raises(ValueError, match=message):
        distil(hybrid=False)
    with pytest.raises(ValueError, match="does not run it .task_weight: 0.0."):
        distil(task_weight=0.0)


def test_a_teacher_without_decoder_is_refused(build_asr):
    with pytest.raises(ValueError, match="teacher has no attention decoder"):
        OnlineTeacher(build_asr(1), use_decoder=True)
