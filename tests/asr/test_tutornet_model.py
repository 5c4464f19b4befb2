import gc
import io

import pytest
import torch

from espnet_tutornet.asr.tutornet_model import student_state_dict
from espnet_tutornet.distill.distiller import Distiller
from espnet_tutornet.teacher.online import OnlineTeacher

BOTH = {"rkd": {"weight": 2.0}, "skd": {"weight": 0.5}}
SPECAUG = dict(
    specaug="specaug",
    specaug_conf=dict(
        apply_time_warp=False,
        apply_freq_mask=True,
        freq_mask_width_range=[4, 8],
        apply_time_mask=False,
    ),
)


@pytest.fixture(scope="module")
def teacher(build_asr):
    model = build_asr(1, encoder_conf=dict(output_size=12), **SPECAUG)
    return OnlineTeacher(model, layers=("last", "encoders.0"))


@pytest.fixture
def distil(build_student, teacher):
    """Return distil(terms, task_weight, encoder, **arguments): a student."""

    def build(terms=BOTH, task_weight=1.0, encoder="conformer", **given):
        student = build_student(0, encoder, **given)
        width = student.encoder.output_size()
        sizes = {"last": width, "encoders.0": width, "enc.0": width}
        torch.manual_seed(2)
        distiller = Distiller(terms, sizes, teacher.sizes, teacher.blank_id)
        student.set_distillation(distiller, teacher, task_weight)
        return student.train()

    return build


class Calls:
    """Count the forward calls of a module."""

    def __init__(self, module):
        self.count = 0
        module.register_forward_hook(self.add)

    def add(self, *_):
        self.count += 1


@pytest.mark.parametrize("hybrid", [False, True])
def test_without_distillation_it_is_the_stock_model(
    build_asr, build_student, batch, hybrid
):
    stock, student = build_asr(3, hybrid=hybrid), build_student(3, hybrid=hybrid).eval()
    expected, expected_stats, _ = stock(**batch)
    loss, stats, weight = student(**batch)
    assert list(student.state_dict()) == list(stock.state_dict())
    assert torch.equal(loss, expected)
    assert set(stats) == set(expected_stats)
    assert weight.item() == 2


def test_loss_is_the_weighted_sum_and_stats_are_before_the_weights(
    distil, build_asr, batch
):
    student = distil(task_weight=0.7).eval()
    loss, stats, weight = student(**batch)
    stock = build_asr(0)
    stock.load_state_dict(student_state_dict(student.state_dict()))
    task_loss, task_stats, _ = stock(**batch)
    expected = 0.7 * task_loss + 2.0 * stats["loss_rkd"] + 0.5 * stats["loss_skd"]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(stats["loss"], expected.detach())
    torch.testing.assert_close(stats["loss_ctc"], task_stats["loss_ctc"])
    assert stats["loss_rkd"] > 0 and stats["loss_skd"] > 0
    assert set(stats) == set(task_stats) | {"loss_rkd", "loss_skd"}
    assert weight.item() == 2


def test_skd_compares_the_logits_of_the_encoders_output(distil, teacher, batch):
    student = distil({"skd": {"weight": 0.25}}, task_weight=0.0).eval()
    loss, stats, _ = student(**batch)
    with torch.no_grad():
        hidden, lens = student.encode(batch["speech"], batch["speech_lengths"])
        probs = student.ctc.softmax(hidden)
        said = teacher(batch)
        error = (probs - said.log_probs.exp()).pow(2).sum(dim=-1)
    lens = torch.minimum(lens, said.lens)  # stock ESPnet 202511 counts padding, too
    expected = sum(error[b, :frames].sum() for b, frames in enumerate(lens)) / 2
    torch.testing.assert_close(stats["loss_skd"].squeeze(), expected)
    torch.testing.assert_close(loss.squeeze().detach(), 0.25 * expected)


@pytest.mark.parametrize("task_weight", [0.0, 1.0])
def test_encoder_and_ctc_layer_run_once_a_step(distil, batch, task_weight):
    student = distil(task_weight=task_weight)
    encoder, output = Calls(student.encoder), Calls(student.ctc.ctc_lo)
    student(**batch)
    assert encoder.count == 1
    assert output.count == 1


def test_task_weight_zero_runs_neither_ctc_nor_decoder(distil, batch):
    student = distil({"rkd": {}}, task_weight=0.0, hybrid=True)
    calls = [Calls(m) for m in (student.ctc.ctc_lo, student.ctc, student.decoder)]
    loss, stats, _ = student(**batch)
    loss.backward()
    assert [c.count for c in calls] == [0, 0, 0]
    assert set(stats) == {"loss", "loss_rkd"}
    assert student.ctc.ctc_lo.weight.grad is None


def test_task_weight_zero_with_skd_runs_the_output_layer_alone(distil, batch):
    student = distil({"skd": {"weight": 0.25}}, task_weight=0.0, hybrid=True)
    calls = [Calls(m) for m in (student.ctc.ctc_lo, student.ctc, student.decoder)]
    student(**batch)[0].backward()
    assert [c.count for c in calls] == [1, 0, 0]
    assert student.ctc.ctc_lo.weight.grad.any()
    loss, stats, _ = student.eval()(**batch)  # by which checkpoints are chosen
    assert stats["loss_ctc"] > 0.0 and torch.equal(loss, stats["loss_skd"] * 0.25)


def test_a_detached_output_layer_learns_and_the_encoder_does_not(distil, batch):
    terms = {"skd": {"criterion": "kl", "detach": True}}
    student = distil(terms, task_weight=0.0)
    loss, stats, _ = student(**batch)
    loss.backward()
    assert student.ctc.ctc_lo.weight.grad.any()
    assert all(weight.grad is None for weight in student.encoder.parameters())
    attached = distil({"skd": {"criterion": "kl"}}, task_weight=0.0)
    torch.testing.assert_close(loss, attached(**batch)[0])


def test_a_detached_output_layer_leaves_the_other_terms_alone(distil, batch):
    """RKD moves the encoder as it would alone; the task reaches both."""
    alone = distil({"rkd": {}}, task_weight=1.0)
    alone(**batch)[0].backward()
    both = distil({"rkd": {}, "skd": {"detach": True}}, task_weight=1.0)
    both(**batch)[0].backward()
    pairs = zip(alone.encoder.parameters(), both.encoder.parameters())
    assert all(torch.equal(a.grad, b.grad) for a, b in pairs)
    weights = [model.ctc.ctc_lo.weight.grad for model in (alone, both)]
    assert not torch.allclose(*weights)


def test_a_hybrid_student_learns_from_all_three(distil, batch):
    student = distil(hybrid=True)
    loss, stats, _ = student(**batch)
    loss.backward()
    assert {"loss_att", "loss_ctc", "loss_rkd", "loss_skd"} <= set(stats)
    for name, parameter in student.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_skd_on_a_student_without_ctc_is_refused(distil):
    with pytest.raises(ValueError, match="no CTC branch.*ctc_weight above 0.*skd"):
        distil(hybrid=True, model_conf=dict(ctc_weight=0.0))


def test_rkd_on_a_student_without_ctc_works(distil, batch):
    student = distil({"rkd": {}}, hybrid=True, model_conf=dict(ctc_weight=0.0))
    loss, stats, _ = student(**batch)
    loss.backward()
    assert stats["loss_rkd"] > 0 and stats["loss_att"] > 0


def test_a_negative_task_weight_is_refused(distil):
    with pytest.raises(ValueError, match="task_weight must be >= 0, got -0.5"):
        distil(task_weight=-0.5)


@pytest.mark.parametrize(
    "encoder, layer", [("conformer", "encoders.0"), ("rnn", "enc.0")]
)
def test_inner_layers_are_matched(distil, batch, encoder, layer):
    conf = {"student_layer": layer, "teacher_layer": "encoders.0"}
    student = distil({"rkd": conf}, task_weight=0.0, encoder=encoder)
    student(**batch)[0].backward()
    inner, last = {
        "conformer": lambda e: (e.encoders[0], e.encoders[1]),
        "rnn": lambda e: (e.enc[0], e.enc[1] if len(e.enc) > 1 else None),
    }[encoder](student.encoder)
    assert any(p.grad is not None and p.grad.any() for p in inner.parameters())
    if last is not None:  # what lies above the layer is out of reach
        assert all(p.grad is None or not p.grad.any() for p in last.parameters())


def test_an_unknown_layer_lists_the_layers(build_student, teacher):
    student = build_student(0)
    terms = {"rkd": {"student_layer": "encoders.5"}}
    distiller = Distiller(terms, {"encoders.5": 8}, teacher.sizes, 0)
    with pytest.raises(ValueError, match="no layer 'encoders.5'.*'last'.*encoders.1"):
        student.set_distillation(distiller, teacher)


def graph_tensors():
    gc.collect()
    return sum(
        1 for x in gc.get_objects() if type(x) is torch.Tensor and x.grad_fn is not None
    )


@pytest.fixture
def only_new_objects():
    """Have the collector pass over what is there: the objects of ESPnet are many."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("task_weight", [0.0, 1.0])
@pytest.mark.filterwarnings("ignore")
def test_no_graph_is_kept_after_a_step(distil, batch, task_weight, only_new_objects):
    # not a conformer: ESPnet's attention keeps its last weights for plots
    student = distil(task_weight=task_weight, encoder="rnn")
    before = graph_tensors()
    loss, stats, _ = student(**batch)
    assert graph_tensors() > before
    assert student._encoded is None
    assert not any(v is not None and v.requires_grad for v in stats.values())
    del loss
    assert graph_tensors() == before
    hooks = sum(len(m._forward_hooks) for m in student.modules())
    assert hooks == 0


def test_teacher_is_nowhere_in_the_student(distil, teacher):
    student = distil()
    own = {id(p) for p in teacher.model.parameters()}
    assert not own & {id(p) for p in student.parameters()}
    assert teacher.model not in list(student.modules())
    added = set(student.state_dict()) - set(student_state_dict(student.state_dict()))
    assert added == {
        f"distiller.terms.rkd.loss.adapter.{x}" for x in ("weight", "bias")
    }
    assert not any("teacher" in name for name, _ in student.named_modules())


def test_teacher_is_bit_equal_and_in_eval_mode_after_steps(distil, teacher, batch):
    student = distil()
    before = {k: v.clone() for k, v in teacher.model.state_dict().items()}
    own = {k: v.clone() for k, v in student.state_dict().items()}
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        student.train()
        student(**batch)[0].backward()
        optimizer.step()
    # ESPnet's label smoothing keeps one KLDivLoss for all models, a default argument
    own_modules = set(teacher.model.modules()) - set(student.modules())
    assert not [m for m in own_modules if m.training]
    after = teacher.model.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert all(p.grad is None for p in teacher.model.parameters())
    moved = [k for k, v in student.state_dict().items() if not torch.equal(v, own[k])]
    assert {name.split(".")[0] for name in moved} == {"encoder", "ctc", "distiller"}


def test_specaug_reaches_the_student_and_not_the_teacher(distil, batch):
    student = distil(**SPECAUG)
    heard = []
    student.encoder.register_forward_pre_hook(lambda m, x: heard.append(x[0].clone()))
    said = []
    teacher = student.teacher
    student.teacher = lambda *x: said.append(teacher(*x)) or said[-1]
    student(**batch), student(**batch)
    assert not torch.equal(heard[0], heard[1])
    assert torch.equal(said[0].hidden["last"], said[1].hidden["last"])


def test_steps_lower_the_distillation_loss(distil, batch):
    student = distil(task_weight=0.0)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss, _, _ = student(**batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_student_alone_loads_strictly_in_the_stock_model(distil, build_asr, batch):
    student = distil(task_weight=1.0)
    student(**batch)[0].backward()
    file = io.BytesIO()
    torch.save(student_state_dict(student.state_dict()), file)
    file.seek(0)
    stock = build_asr(5)
    stock.load_state_dict(torch.load(file, weights_only=True), strict=True)
    student.eval()
    for mine, its in zip(
        student.encode(batch["speech"], batch["speech_lengths"]),
        stock.encode(batch["speech"], batch["speech_lengths"]),
    ):
        assert torch.equal(mine, its)


def test_validation_under_no_grad_gives_the_same_stats(distil, batch):
    student = distil().eval()
    with torch.no_grad():
        loss, stats, _ = student(**batch)
    assert torch.equal(loss, student(**batch)[0].detach())
    assert stats["loss_rkd"] > 0


def without_text(batch, *rows):
    """Return the batch with these utterances' transcripts empty."""
    batch = {name: value.clone() for name, value in batch.items()}
    for row in rows:
        batch["text"][row] = -1
        batch["text_lengths"][row] = 0
    return batch


@pytest.mark.parametrize("hybrid", [False, True])
def test_an_unlabelled_utterance_learns_from_the_teacher_alone(distil, batch, hybrid):
    student = distil(hybrid=hybrid).eval()
    labelled = student(**batch)[1]
    half = student(**without_text(batch, 1))[1]
    first = {
        name: value[:1, :3] if name == "text" else value[:1]
        for name, value in batch.items()
    }
    alone = student(**first)[1]
    names = ["loss_ctc", "loss_att"] if hybrid else ["loss_ctc"]
    for name in names:
        # one utterance of two: its loss, divided by both
        torch.testing.assert_close(half[name], alone[name] / 2, rtol=1e-3, atol=1e-3)
    for name in ("loss_rkd", "loss_skd"):
        torch.testing.assert_close(half[name], labelled[name])


def test_without_any_transcript_only_the_teacher_teaches(distil, batch):
    student = distil()
    loss, stats, _ = student(**without_text(batch, 0, 1))
    loss.backward()
    assert stats["loss_ctc"] == 0.0
    expected = 2.0 * stats["loss_rkd"] + 0.5 * stats["loss_skd"]
    torch.testing.assert_close(loss.detach(), expected)
    assert student.ctc.ctc_lo.weight.grad.any()
    assert all(p.grad.isfinite().all() for p in student.encoder.parameters())


@pytest.mark.parametrize("value", [6e4, float("inf"), float("nan")])
def test_without_any_transcript_padding_may_hold_anything(distil, value):
    """In half precision the sum over a batch was infinite, and times zero NaN."""
    student = distil({"rkd": {}}, encoder="conformer")
    size = student.encoder.output_size()
    hidden = torch.full((2, 9, size), value, dtype=torch.float16, requires_grad=True)
    text, none = torch.full((2, 1), -1), torch.zeros(2, dtype=torch.long)
    loss = student._calc_ctc_loss(hidden, torch.tensor([9, 3]), text, none)[0]
    loss.backward()
    assert loss == 0.0 and not hidden.grad.any()
    assert all(p.grad is not None for p in student.ctc.parameters())


def test_a_stock_model_does_not_leave_out_utterances(build_student, build_asr, batch):
    """Without a teacher an empty transcript is a target like any other."""
    student, stock = build_student(3).eval(), build_asr(3)
    half = without_text(batch, 1)
    expected = stock(**without_text(batch, 1))[0]
    assert torch.equal(student(**half)[0], expected)
