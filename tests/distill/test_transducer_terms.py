"""A transducer that learns its teacher's lattice on one path."""

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from published import publish

from espnet_tutornet.distill.distiller import Distiller, term_needs
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.losses.transducer import TransducerLoss
from espnet_tutornet.tasks.teachers import build_teacher
from espnet_tutornet.teacher.online import OnlineTeacher

TRANSDUCER = dict(
    decoder="transducer",
    decoder_conf={"rnn_type": "lstm", "num_layers": 1, "hidden_size": 8},
    joint_net_conf={"joint_space_size": 8},
    model_conf={"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
)
TERMS = {"transducer": {"criterion": "kl", "weight": 0.5}}


@pytest.fixture(scope="module")
def build(make_args, shake):
    """Return build(seed, encoder, **arguments): a transducer of ESPnet's task."""

    def run(seed, encoder="rnn", **given):
        provide_rnnt_loss("transducer")
        torch.manual_seed(seed)
        args = make_args(encoder, **{**TRANSDUCER, **given})
        return shake(ASRTask.build_model(args)).eval()

    return run


@pytest.fixture(scope="module")
def teacher(build):
    return OnlineTeacher(build(1), layers=(), use_posteriors=False, use_lattice=True)


@pytest.fixture
def distil(build_student, teacher, make_args):
    """Return distil(encoder, delay, **arguments): a transducer under the teacher."""

    def run(encoder="rnn", delay=0, task_weight=1.0, terms=TERMS, **given):
        student = build_student(0, encoder, **{**TRANSDUCER, **given})
        width = {"last": student.encoder.output_size()}
        distiller = Distiller(terms, width, teacher.sizes, 0, delay)
        student.set_distillation(distiller, teacher, task_weight)
        return student.train()

    return run


def test_a_student_that_is_its_teacher_has_nothing_to_learn(distil, teacher, batch):
    student = distil().eval()
    student.load_state_dict(teacher.model.state_dict(), strict=False)
    loss, stats, _ = student(**batch)
    assert abs(float(stats["loss_transducer_path"])) < 1e-4
    torch.testing.assert_close(
        loss.detach(), stats["loss_transducer"] + 0.3 * stats["loss_ctc"]
    )


def test_with_a_delay_it_learns_to_be_later(distil, teacher, batch):
    """Its own nodes are then the teacher's of two frames before, and differ."""
    found = []
    for delay in (0, 2):
        student = distil(delay=delay).eval()
        student.load_state_dict(teacher.model.state_dict(), strict=False)
        found.append(float(student(**batch)[1]["loss_transducer_path"]))
    assert found[0] < 1e-4 and found[1] > 0.01


def test_the_loss_is_that_of_the_teachers_nodes(distil, teacher, batch):
    student = distil()
    loss, stats, _ = student(**batch)
    task = stats["loss_transducer"] + 0.3 * stats["loss_ctc"]
    torch.testing.assert_close(
        loss.detach(), task + 0.5 * stats["loss_transducer_path"]
    )
    with torch.no_grad():
        out, lens = student.encode(batch["speech"], batch["speech_lengths"])
        text = batch["text"].clamp_min(0)
        ids = torch.cat([torch.zeros(2, 1, dtype=torch.long), text], dim=1)
        joint = student.joint_network(out[:, :, None], student.decoder(ids)[:, None])
        path = teacher(batch).path
        total = 0.0
        for b in range(2):
            count = int(path.lens[b])
            assert count == int(lens[b] + batch["text_lengths"][b])
            t, u = path.frames[b, :count], path.labels[b, :count]
            following = torch.cat([text[b, : batch["text_lengths"][b]], ids[0, :1]])
            nodes = (
                joint[b, t, u][None],
                following[u][None],
                path.probs[b : b + 1, :count],
            )
            pad_mask = torch.zeros(1, count, dtype=torch.bool)
            total = total + TransducerLoss()(*nodes, pad_mask) / 2
    torch.testing.assert_close(stats["loss_transducer_path"].squeeze(), total)
    assert float(total) > 0.1


@pytest.mark.parametrize(
    "encoder, delay", [("rnn", 0), ("rnn", 2), ("conformer_conv2d8", 0), ("jasper", 0)]
)
def test_gradients_are_finite_whatever_the_frame_rates(distil, batch, encoder, delay):
    student = distil(encoder, delay, model_conf={"ctc_weight": 0.0})
    loss, stats, _ = student(**batch)
    expected = stats["loss_transducer"] + 0.5 * stats["loss_transducer_path"]
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    for name, parameter in student.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name
    assert student.joint_network.lin_out.weight.grad.any()
    assert float(stats["loss_transducer_path"]) > 0


def test_steps_lower_it(distil, batch):
    student = distil(terms={"transducer": {"weight": 100.0}})
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    found = []
    for _ in range(15):
        optimizer.zero_grad()
        loss, stats, _ = student(**batch)
        loss.backward()
        optimizer.step()
        found.append(float(stats["loss_transducer_path"]))
    assert found[-1] < 0.7 * found[0]


def test_a_student_without_joint_network_is_refused(build_student, teacher):
    student = build_student(0, "rnn")
    distiller = Distiller(TERMS, {"last": 10}, teacher.sizes, 0)
    with pytest.raises(ValueError, match="term transducer.*no joint network"):
        student.set_distillation(distiller, teacher)


def test_a_task_weight_of_zero_is_refused(distil):
    with pytest.raises(ValueError, match=r"does not run it \(task_weight: 0.0\)"):
        distil(task_weight=0.0)


def test_a_teacher_without_joint_network_is_refused(build_asr):
    with pytest.raises(ValueError, match="teacher has no joint network.*transducer"):
        OnlineTeacher(build_asr(0, "rnn"), use_lattice=True)


def test_blanks_of_several_frames_are_refused(build, build_student, teacher):
    conf = {"ctc_weight": 0.3, "transducer_multi_blank_durations": [2]}
    model = build(0, model_conf=conf)
    with pytest.raises(ValueError, match="or blanks of several frames, expected"):
        OnlineTeacher(model, use_lattice=True)
    student = build_student(0, "rnn", **{**TRANSDUCER, "model_conf": conf})
    distiller = Distiller(TERMS, {"last": 10}, teacher.sizes, 0)
    with pytest.raises(ValueError, match="term transducer.*of one blank"):
        student.set_distillation(distiller, teacher)


def test_a_teacher_of_espnets_task_for_transducers_is_read(
    batch, tmp_path, monkeypatch
):
    publish("asr_transducer", tmp_path, monkeypatch)
    files = tmp_path / "exp/asr/config.yaml", tmp_path / "exp/asr/valid.acc.ave.pth"
    teacher = OnlineTeacher.from_files(
        *files, layers=(), use_posteriors=False, use_lattice=True
    )
    said = teacher(batch)
    assert torch.equal(said.path.lens, said.lens + batch["text_lengths"])
    count = int(said.path.lens[0])
    probs = said.path.probs[0, :count]
    assert (probs[:, 0] > 0).all() and (probs.sum(-1) < 1).all()
    assert int((probs[:, 1] == 0).sum()) == int((said.path.labels[0] == 3).sum())


@pytest.mark.parametrize(
    "conf, what",
    [
        ({"cache": "outputs"}, "a cache of outputs"),
        ({"members": {"a": {"cache": "x"}}}, "several teachers"),
    ],
)
def test_a_teacher_that_cannot_give_a_lattice_is_refused(conf, what):
    with pytest.raises(ValueError, match=f"reads a teacher's lattice, which {what}"):
        build_teacher(conf, term_needs(TERMS))


def test_the_term_needs_a_lattice_and_no_posteriors():
    needs = term_needs(TERMS)
    assert needs.lattice and not needs.posteriors and not needs.decoder
    assert needs.teacher_layers == ()


def test_the_joint_network_runs_once(distil, batch):
    student, calls = distil(), []
    student.joint_network.register_forward_hook(lambda *_: calls.append(1))
    student(**batch)
    assert len(calls) == 1
