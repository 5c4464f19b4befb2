"""Terms with CTC in them: the teacher's hypotheses, and heads on inner blocks."""

import pytest
import torch

from espnet_tutornet.asr.tutornet_model import student_state_dict
from espnet_tutornet.distill.distiller import Distiller, term_needs
from espnet_tutornet.distill.sequence_terms import InterTerm
from espnet_tutornet.distill.term import Aligned
from espnet_tutornet.distill.terms import needs_tokens
from espnet_tutornet.losses import SequenceLoss, SoftmaxLoss
from espnet_tutornet.outputs import StudentOutputs, TeacherOutputs
from espnet_tutornet.teacher.online import OnlineTeacher

INTER = {"student_layer": "encoders.0"}
TEXT = torch.tensor([[2, 3, 3], [1, -1, -1]])


@pytest.fixture(scope="module")
def teacher(build_asr):
    return OnlineTeacher(build_asr(1))


@pytest.fixture
def distil(build_student, teacher):
    """Return distil(terms, task_weight, **arguments): a conformer in eval mode."""

    def build(terms, task_weight=1.0, **given):
        student = build_student(0, **given)
        sizes = {"last": 8, "encoders.0": 8, "encoders.1": 8}
        torch.manual_seed(2)
        distiller = Distiller(terms, sizes, teacher.sizes, 0, vocab_size=7)
        student.set_distillation(distiller, teacher, task_weight)
        return student.eval()

    return build


def outputs(frames=8, lens=(8, 6), text=TEXT, text_lengths=(3, 1), vocab_size=5):
    torch.manual_seed(0)
    student = StudentOutputs(
        lens=torch.tensor(lens),
        hidden={
            x: torch.randn(2, frames, 4, requires_grad=True) for x in ("in", "last")
        },
        logits=torch.randn(2, frames, vocab_size, requires_grad=True),
        frame_shift=640.0,
        text=text,
        text_lengths=torch.tensor(text_lengths),
    )
    spoken = torch.randn(2, 16, vocab_size).mul(3)
    spoken[..., 0] += 4.0  # labels for few frames
    said = TeacherOutputs(
        lens=torch.tensor([16, 12]),
        hidden={},
        log_probs=spoken.log_softmax(-1),
        frame_shift=320.0,
    )
    return student, said


def test_sequence_hears_the_teachers_own_frames():
    """Aligned, half of a teacher at twice the rate would be gone."""
    student, said = outputs()
    for conf in ({}, {"nbest": 3}):
        for delay in (0, 3):
            terms = {"sequence": {**conf, "weight": 0.5}}
            distiller = Distiller(terms, {"last": 4}, {}, 0, delay=delay)
            total, stats = distiller(student, said)
            expected = SequenceLoss(**conf)(
                student.logits, student.lens, said.log_probs, said.lens
            )
            torch.testing.assert_close(stats["loss_sequence"], expected.detach())
            torch.testing.assert_close(total, 0.5 * expected)
            assert expected > 1.0


def test_sequence_of_a_model_is_ctc_on_what_its_teacher_decodes(distil, batch, teacher):
    student = distil({"sequence": {"weight": 1.0}}, task_weight=0.0)
    teacher.model.ctc.ctc_lo.bias.data[0] = -2.0  # else it says nothing but blank
    student.teacher = teacher
    _, stats, _ = student(**batch)
    hidden, lens = student.encode(batch["speech"], batch["speech_lengths"])
    with torch.no_grad():
        said = teacher(batch)
    labels = [
        torch.unique_consecutive(said.log_probs[b, :frames].argmax(-1))
        for b, frames in enumerate(said.lens.tolist())
    ]
    labels = [x[x != 0] for x in labels]
    text = torch.nn.utils.rnn.pad_sequence(labels, True, -1)
    lengths = torch.tensor([len(x) for x in labels])
    assert lengths.min() > 0
    expected = student.ctc(hidden, lens, text, lengths)
    torch.testing.assert_close(
        stats["loss_sequence"].squeeze(), expected.detach(), rtol=1e-4, atol=1e-4
    )


def test_sequence_needs_no_transcript(distil, batch):
    student = distil({"sequence": {"nbest": 2}})
    labelled = student(**batch)[1]["loss_sequence"]
    batch["text"][:], batch["text_lengths"][:] = -1, 0
    loss, stats, _ = student(**batch)
    assert torch.equal(stats["loss_sequence"], labelled)
    loss.backward()


def inter(**conf):
    torch.manual_seed(3)
    return InterTerm({"in": 4}, 5, student_layer="in", **conf)


def aligned(student, said):
    mask = torch.arange(8) >= torch.tensor([[8], [6]])
    return Aligned({}, said.log_probs[:, :8], mask, 0, said)


@pytest.mark.parametrize("conf", [{}, {"criterion": "kl", "blank": "drop"}])
def test_inter_is_ctc_of_its_head_and_the_criterion(conf):
    student, said = outputs()
    term = inter(ctc_weight=3.0, **conf)
    given = aligned(student, said)
    logits = term.head(student.hidden["in"])
    softmax = SoftmaxLoss(**conf)(logits, given.log_probs, given.pad_mask)
    ctc = torch.nn.CTCLoss(reduction="none")(
        logits.transpose(0, 1).log_softmax(-1),
        TEXT.clamp_min(0),
        student.lens,
        student.text_lengths,
    )
    torch.testing.assert_close(term(student, given), softmax + 3.0 * ctc.sum() / 2)


def test_inter_without_a_transcript_has_no_ctc_part():
    student, said = outputs(text_lengths=(3, 0))
    term, given = inter(), aligned(student, said)
    both = term(student, given)
    half, _ = outputs(text_lengths=(0, 1))
    other = term(half, given)
    none, _ = outputs(text_lengths=(0, 0))
    no_text, _ = outputs(text=None)
    softmax = inter(ctc_weight=0.0)(student, given)
    assert torch.equal(term(none, given), softmax)
    assert torch.equal(term(no_text, given), softmax)
    full = term(outputs()[0], given)
    torch.testing.assert_close(both + other - softmax, full)
    assert both > softmax + 0.5 and other > softmax + 0.5


def test_inter_with_a_transcript_too_long_for_its_frames_has_no_ctc_part():
    # 2 3 3 needs four frames
    for frames, reads in ((3, False), (4, True)):
        student, said = outputs(lens=(frames, 6), text_lengths=(3, 0))
        loss = inter()(student, aligned(student, said))
        loss.backward()
        assert loss.isfinite()
        assert (loss > inter(ctc_weight=0.0)(student, aligned(student, said))) == reads


def test_inter_does_not_see_padding():
    student, said = outputs()
    term, given = inter(), aligned(student, said)
    term(student, given).backward()
    expected = [p.grad.clone() for p in term.parameters()]
    for garbage in (float("nan"), float("inf")):
        student.hidden["in"].data[1, 6:] = garbage
        term.zero_grad()
        student.hidden["in"].grad = None
        term(student, given).backward()
        for parameter, grad in zip(term.parameters(), expected):
            torch.testing.assert_close(parameter.grad, grad)
        assert not student.hidden["in"].grad[1, 6:].any()


def test_heads_on_two_blocks_teach_what_is_below_them(distil, batch):
    terms = {"inter_a": INTER, "inter_b": {"student_layer": "encoders.1"}}
    student = distil(terms, task_weight=0.0)
    loss, stats, _ = student(**batch)
    assert {"loss_inter_a", "loss_inter_b", "loss"} == set(stats)
    loss.backward()
    heads = [student.distiller.terms[name].head for name in terms]
    assert all(head.weight.shape == (7, 8) and head.weight.grad.any() for head in heads)
    assert any(p.grad.any() for p in student.encoder.encoders[1].parameters())
    assert student.ctc.ctc_lo.weight.grad is None

    alone = distil({"inter": INTER}, task_weight=0.0)
    alone(**batch)[0].backward()
    above = alone.encoder.encoders[1].parameters()
    assert all(p.grad is None or not p.grad.any() for p in above)
    assert any(p.grad.any() for p in alone.encoder.encoders[0].parameters())


def test_inter_gives_a_gradient_to_all_parameters_of_the_head_without_any_text(
    distil, batch
):
    student = distil({"inter": INTER})
    batch["text"][:], batch["text_lengths"][:] = -1, 0
    student(**batch)[0].backward()
    assert all(p.grad is not None for p in student.distiller.parameters())


def test_the_head_stays_out_of_the_exported_student(distil, build_asr):
    student = distil({"inter": INTER})
    added = set(student.state_dict()) - set(student_state_dict(student.state_dict()))
    assert added == {
        "distiller.terms.inter.head.weight",
        "distiller.terms.inter.head.bias",
    }
    build_asr(5).load_state_dict(student_state_dict(student.state_dict()))


def test_needs_are_told():
    assert term_needs({"inter": INTER}) == (("encoders.0",), (), True, False, False)
    assert term_needs({"sequence": {}}) == ((), (), True, False, False)
    assert needs_tokens({"sequence": {}}) and needs_tokens({"inter_a": INTER})


def test_sequence_on_a_student_without_ctc_is_refused(distil):
    no_ctc = dict(hybrid=True, model_conf=dict(ctc_weight=0.0))
    with pytest.raises(ValueError, match="skd and sequence read.*no CTC branch"):
        distil({"sequence": {}}, **no_ctc)
    assert distil({"inter": INTER}, **no_ctc).distiller is not None


@pytest.mark.parametrize(
    "terms, message",
    [
        ({"inter": {}}, "inter: student_layer is missing.*encoders.0"),
        ({"inter": {**INTER, "ctc_weight": -1}}, "ctc_weight must be a number.*got -1"),
        ({"inter": {**INTER, "head": 1}}, r"inter: unknown keys \['head'\]"),
        ({"inter": {**INTER, "vocab_size": 1}}, r"unknown keys \['vocab_size'\]"),
        ({"sequence": {"nbest": 0}}, "nbest must be a number of hypotheses"),
        ({"sequence": {"weight": 0}}, "sequence: weight must be a positive number"),
        ({"inter": {**INTER, "schedule": {"kind": "x"}}}, "schedule: kind must be"),
    ],
)
def test_bad_terms_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        Distiller(terms, {"encoders.0": 4}, {}, 0, vocab_size=5)


def test_inter_without_the_number_of_tokens_is_refused():
    with pytest.raises(ValueError, match="inter:.*Give the Distiller vocab_size"):
        Distiller({"inter": INTER}, {"encoders.0": 4}, {}, 0)
