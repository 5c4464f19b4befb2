import numpy as np
import pytest
import torch

from espnet_tutornet.asr.tutornet_model import TutorNetASRModel
from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.distill.distiller import Distiller, term_needs
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.losses import RepresentationLoss, SoftmaxLoss
from espnet_tutornet.outputs import StudentOutputs, TeacherOutputs
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.online import OnlineTeacher

BOTH = {"rkd": {}, "skd": {}}


def random_pair(seed=0, frames=6, teacher_frames=6, shift=640.0, teacher_shift=640.0):
    torch.manual_seed(seed)
    student = StudentOutputs(
        lens=torch.tensor([frames, frames - 2]),
        hidden={"last": torch.randn(2, frames, 4, requires_grad=True)},
        logits=torch.randn(2, frames, 5, requires_grad=True),
        frame_shift=shift,
    )
    teacher = TeacherOutputs(
        lens=torch.tensor([teacher_frames, teacher_frames - 2]),
        hidden={"last": torch.randn(2, teacher_frames, 3)},
        log_probs=torch.randn(2, teacher_frames, 5).log_softmax(-1),
        frame_shift=teacher_shift,
    )
    return student, teacher


def build(terms, seed=0):
    torch.manual_seed(seed)
    return Distiller(terms, {"last": 4}, {"last": 3}, blank_id=0)


def test_total_is_the_weighted_sum_and_stats_are_before_the_weight():
    distiller = build({"rkd": {"weight": 3.0}, "skd": {"weight": 0.5}})
    student, teacher = random_pair()
    total, stats = distiller(student, teacher)
    mask = torch.arange(6) >= torch.tensor([[6], [4]])
    rkd = RepresentationLoss(4, 3)
    rkd.load_state_dict(distiller.terms["rkd"].loss.state_dict())
    hidden, posteriors = teacher.hidden["last"], teacher.log_probs
    expected_rkd = rkd(student.hidden["last"], hidden, posteriors, mask)
    expected_skd = SoftmaxLoss()(student.logits, posteriors, mask)
    torch.testing.assert_close(stats["loss_rkd"], expected_rkd.detach())
    torch.testing.assert_close(stats["loss_skd"], expected_skd.detach())
    torch.testing.assert_close(total, 3.0 * expected_rkd + 0.5 * expected_skd)
    assert set(stats) == {"loss_rkd", "loss_skd"}
    assert not any(value.requires_grad for value in stats.values())


def test_a_teacher_at_twice_the_rate_is_brought_to_the_students_frames():
    student, teacher = random_pair(teacher_frames=12, teacher_shift=320.0)
    doubled = TeacherOutputs(
        lens=torch.tensor([12, 8]),
        hidden={"last": teacher.hidden["last"][:, :6].repeat_interleave(2, dim=1)},
        log_probs=teacher.log_probs[:, :6].repeat_interleave(2, dim=1),
        frame_shift=320.0,
    )
    same_rate = TeacherOutputs(
        lens=torch.tensor([6, 4]),
        hidden={"last": teacher.hidden["last"][:, :6]},
        log_probs=teacher.log_probs[:, :6],
        frame_shift=640.0,
    )
    distiller = build(BOTH)
    torch.testing.assert_close(
        distiller(student, doubled)[0], distiller(student, same_rate)[0]
    )


def test_frames_that_only_the_student_has_are_masked():
    student, teacher = random_pair(frames=8)  # lens 8, 6; the teacher's 6, 4
    total, _ = build(BOTH)(student, teacher)
    total.backward()
    assert not student.logits.grad[0, 6:].any() and student.logits.grad[0, 5].any()
    assert not student.logits.grad[1, 4:].any() and student.logits.grad[1, 3].any()
    assert not student.hidden["last"].grad[0, 6:].any()


def test_a_delayed_student_learns_what_the_teacher_said_before():
    """A student that repeats its teacher two frames later has nothing left to learn."""
    student, teacher = random_pair(frames=8, teacher_frames=6)  # lens 8, 6; 6, 4
    late = torch.full((2, 8, 5), 7.0)
    late[:, 2:] = teacher.log_probs
    student = StudentOutputs(student.lens, student.hidden, late, 640.0)
    terms = {"skd": {}}
    distiller = Distiller(terms, {"last": 4}, {"last": 3}, blank_id=0, delay=2)
    assert distiller(student, teacher)[0] == pytest.approx(0.0, abs=1e-9)
    for delay in (0, 1, 3):
        distiller = Distiller(terms, {"last": 4}, {"last": 3}, 0, delay=delay)
        assert distiller(student, teacher)[0] > 0.1


def test_frames_before_the_delay_and_past_the_end_have_no_target():
    student, teacher = random_pair(frames=8, teacher_frames=6)
    distiller = Distiller(BOTH, {"last": 4}, {"last": 3}, 0, delay=1)
    distiller(student, teacher)[0].backward()
    heard = student.logits.grad.abs().sum(-1) > 0
    assert heard.tolist() == [
        [False] + [True] * 6 + [False],
        [False] + [True] * 4 + [False] * 3,
    ]
    assert torch.equal(heard, student.hidden["last"].grad.abs().sum(-1) > 0)


def test_a_delay_longer_than_the_utterance_leaves_nothing():
    student, teacher = random_pair()
    total, _ = Distiller(BOTH, {"last": 4}, {"last": 3}, 0, delay=9)(student, teacher)
    total.backward()
    assert total == 0.0 and not student.logits.grad.any()


@pytest.mark.parametrize("delay", [-1, 0.5, "2", None])
def test_a_delay_that_is_no_number_of_frames_is_refused(delay):
    with pytest.raises(ValueError, match="delay must be a number of student frames"):
        Distiller(BOTH, {"last": 4}, {"last": 3}, 0, delay=delay)


def test_term_needs_tells_layers_and_posteriors():
    conf = {"student_layer": "enc.0", "teacher_layer": "encoders.3"}
    needs = term_needs({"rkd": conf})
    assert needs == (("enc.0",), ("encoders.3",), True, False, False)
    assert term_needs({"rkd": {"frame_weights": "energy"}}).posteriors is False
    assert term_needs({"skd": {}}) == ((), (), True, False, False)
    assert term_needs({"skd": None, "rkd": None}).student_layers == ("last",)


def test_several_pairs_of_layers_add_up_each_with_its_weight():
    layers = {"student_layer": "inner", "teacher_layer": "block"}
    terms = {"rkd": {"weight": 2.0}, "rkd_inner": {**layers, "weight": 0.5}, "skd": {}}
    sizes = ({"last": 4, "inner": 2}, {"last": 3, "block": 5})
    distiller = Distiller(terms, *sizes, blank_id=0)
    student, teacher = random_pair()
    student.hidden["inner"] = torch.randn(2, 6, 2)
    teacher.hidden["block"] = torch.randn(2, 6, 5)
    total, stats = distiller(student, teacher)
    assert list(stats) == ["loss_rkd", "loss_rkd_inner", "loss_skd"]
    parts = [stats["loss_rkd"] * 2.0, stats["loss_rkd_inner"] * 0.5]
    torch.testing.assert_close(total.detach(), sum(parts) + stats["loss_skd"])
    assert stats["loss_rkd"] != stats["loss_rkd_inner"]
    assert term_needs(terms)[:2] == (("last", "inner"), ("last", "block"))
    assert term_needs({"rkd_inner": layers})[:2] == (("inner",), ("block",))


def test_needs_logits_follows_skd():
    assert build(BOTH).needs_logits
    assert not build({"rkd": {}}).needs_logits


def scheduled(weight=2.0, **conf):
    return {"skd": {"weight": weight, "schedule": {"steps": 4, **conf}}, "rkd": {}}


def steps_of(distiller, count):
    student, teacher = random_pair()
    return [distiller(student, teacher) for _ in range(count)]


def test_a_schedule_moves_the_weight_with_each_training_batch():
    distiller = build(scheduled(final=1.0))
    outcome = steps_of(distiller, 6)
    weights = [2.0, 1.75, 1.5, 1.25, 1.0, 1.0]
    for weight, (total, stats) in zip(weights, outcome):
        assert stats["weight_skd"] == weight
        assert set(stats) == {"loss_skd", "loss_rkd", "weight_skd"}
        expected = weight * stats["loss_skd"] + stats["loss_rkd"]
        torch.testing.assert_close(total.detach(), expected)


def test_validation_does_not_move_it():
    distiller = build(scheduled())
    steps_of(distiller, 2)
    valid = steps_of(distiller.eval(), 3)
    assert {float(stats["weight_skd"]) for _, stats in valid} == {1.0}
    assert steps_of(distiller.train(), 1)[0][1]["weight_skd"] == 1.0


def test_a_resumed_schedule_goes_on_where_it_was():
    first = build(scheduled())
    expected = steps_of(first, 5)
    again = build(scheduled())
    steps_of(again, 2)
    resumed = build(scheduled(), seed=5)
    resumed.load_state_dict(again.state_dict())
    for (want, _), (got, stats) in zip(expected[2:], steps_of(resumed, 3)):
        assert torch.equal(want, got) and "weight_skd" in stats


def test_only_a_schedule_has_a_place_in_the_checkpoint():
    plain = build(BOTH)
    assert set(plain.state_dict()) == {
        "terms.rkd.loss.adapter.weight",
        "terms.rkd.loss.adapter.bias",
    }
    assert set(build(scheduled()).state_dict()) - set(plain.state_dict()) == {"batches"}
    assert not any(name.startswith("weight") for name in steps_of(plain, 1)[0][1])


def test_a_weight_of_zero_at_the_end_leaves_a_gradient_of_zero():
    distiller = build({"skd": {"schedule": {"kind": "step", "at": 0.0, "steps": 1}}})
    student, teacher = random_pair()
    total, stats = distiller(student, teacher)
    total.backward()
    assert total == 0.0 and stats["weight_skd"] == 0.0 and stats["loss_skd"] > 0.0
    assert student.logits.grad is not None and not student.logits.grad.any()


@pytest.mark.parametrize(
    "schedule, message",
    [
        (
            {"speed": 1},
            r"skd: schedule: unknown keys \['speed'\].*'at', 'final', 'kind'",
        ),
        ({"weight": 1}, r"skd: schedule: unknown keys \['weight'\]"),
        ({}, "steps is auto.*The recipe puts it in"),
    ],
)
def test_bad_schedules_are_refused(schedule, message):
    with pytest.raises(ValueError, match=message):
        build({"skd": {"schedule": schedule}})


def test_decoder_has_no_blank():
    with pytest.raises(ValueError, match="decoder: criterion guided.*no blank"):
        build({"decoder": {"criterion": "guided"}})
    with pytest.raises(ValueError, match=r"decoder: unknown keys \['blank'\]"):
        build({"decoder": {"blank": "drop"}})


def test_a_blank_policy_reads_the_teachers_own_blank():
    terms = {"skd": {"blank": "drop"}}
    student, teacher = random_pair()
    Distiller(terms, {"last": 4}, {"last": 3}, blank_id=2)(student, teacher)[
        0
    ].backward()
    lens = torch.tensor([[6], [4]])
    expected = (teacher.log_probs.argmax(-1) != 2) & (torch.arange(6) < lens)
    assert torch.equal(student.logits.grad.abs().sum(-1) > 0, expected)


def test_adapter_is_the_only_parameter():
    names = [name for name, _ in build(BOTH).named_parameters()]
    assert names == ["terms.rkd.loss.adapter.weight", "terms.rkd.loss.adapter.bias"]


@pytest.mark.parametrize(
    "terms, message",
    [
        (
            {"kd": {}},
            r"unknown term 'kd'. Known terms: \['decoder', 'inter', 'rkd', 'sequ",
        ),
        ({"rkdx": {}}, r"unknown term 'rkdx'"),
        ({"rkd_a": {"layer": "x"}}, r"terms: rkd_a: unknown keys \['layer'\]"),
        (
            {"skd": {"wieght": 1}},
            r"terms: skd: unknown.*'blank', 'blank_conf', 'criterion', 'detach'",
        ),
        ({"rkd": {"layer": "x"}}, r"\['layer'\].*'student_layer', 'teacher_layer'"),
        ({"rkd": {"student_sizes": {}}}, r"unknown keys \['student_sizes'\]"),
        (
            {"rkd": {"weight": 0}},
            "rkd: weight must be a positive number, got 0. To leave",
        ),
        ({"skd": {"weight": -1.0}}, "skd: weight must be a positive number, got -1.0"),
    ],
)
def test_bad_terms_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        build(terms)


@pytest.fixture(scope="module")
def teacher_of(build_asr):
    teachers = {}

    def get(name):
        if name not in teachers:
            teachers[name] = OnlineTeacher(build_asr(1, name))
        return teachers[name]

    return get


@pytest.fixture(scope="module")
def student_of(build_student):
    students = {}

    def get(name):
        if name not in students:
            students[name] = build_student(0, name)
        return students[name].train()

    return get


@pytest.fixture(scope="module")
def probes():
    return {}


@pytest.fixture
def probed_once(probes, monkeypatch):
    """Have each student run on ten seconds of silence once, not with each teacher."""

    def probe(model, layers=("last",)):
        key = model, tuple(layers)
        if key not in probes:
            probes[key] = probe_model(*key)
        return probes[key]

    monkeypatch.setattr("espnet_tutornet.asr.tutornet_model.probe_model", probe)


@pytest.mark.usefixtures("probed_once")
def test_every_pair_of_encoders_distils(
    teacher_name, student_name, teacher_of, student_of, batch, hop, subsampling_of
):
    teacher, student = teacher_of(teacher_name), student_of(student_name)
    assert isinstance(student, TutorNetASRModel)
    sizes = {"last": student.encoder.output_size()}
    student.set_distillation(Distiller(BOTH, sizes, teacher.sizes, 0), teacher, 0.0)
    student.zero_grad()
    before = [value.clone() for value in teacher.model.state_dict().values()]
    loss, stats, _ = student(**batch)
    loss.backward()
    after = teacher.model.state_dict().values()
    assert all(torch.equal(*pair) for pair in zip(before, after))
    assert all(p.grad is None for p in teacher.model.parameters())
    assert student.frame_shift == hop * subsampling_of(student_name)
    assert loss.isfinite() and loss > 0
    assert stats["loss_rkd"] > 0 and stats["loss_skd"] > 0
    reached = [*student.encoder.parameters(), *student.ctc.parameters()]
    reached += student.distiller.parameters()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in reached)
    dead = [p for p in reached if not p.grad.any()]
    assert len(dead) <= len(reached) // 10  # a key's bias has no effect on attention


def test_what_a_cache_keeps_of_any_teacher_teaches_as_it_does(
    teacher_name, teacher_of, build_student, batch
):
    """Two bytes a value and all tokens: the losses are those of the online teacher."""
    online = teacher_of(teacher_name)
    layers = {"last": {"form": "two_byte", "width": online.sizes["last"], "codes": 0}}
    manifest = Manifest(
        fingerprint="",
        fs=16000,
        frame_shift=online.frame_shift,
        token_list=online.token_list,
        blank_id=online.blank_id,
        layers=layers,
        top_k=len(online.token_list),
    )
    cached = CachedTeacher(manifest, {})
    said = online(batch)
    streams = {"last": said.hidden["last"], "posteriors": said.log_probs}
    rows = [
        np.concatenate(
            [form.encode(streams[name][b]) for name, form in cached.forms.items()], 1
        )
        for b in range(2)
    ]
    stream = {"teacher": torch.from_numpy(np.stack(rows)), "teacher_lengths": said.lens}
    losses = []
    for teacher, more in ((online, {}), (cached, stream)):
        student = build_student(0).eval()
        torch.manual_seed(1)
        sizes = {"last": student.encoder.output_size()}
        student.set_distillation(Distiller(BOTH, sizes, teacher.sizes, 0), teacher)
        stats = student(**batch, **more)[1]
        losses.append([float(stats[f"loss_{name}"]) for name in ("rkd", "skd")])
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
