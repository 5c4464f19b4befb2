"""Every distill_*.yaml of the recipe teaches a student."""

from pathlib import Path

import pytest
import torch
import yaml

from espnet_tutornet.distill.distiller import Distiller
from espnet_tutornet.teacher.online import OnlineTeacher

RECIPE = Path(__file__).resolve().parents[2] / "egs2/librispeech_tutornet/asr1"
FILES = [p for top in ("conf", "studies/forms") for p in (RECIPE / top).glob("dist*")]
NAMES = sorted(str(path.relative_to(RECIPE).with_suffix("")) for path in FILES)
EXPECTED = "rkd skd skdwithrkd kl kl_drop kl_symmetric guided sequence inter labelfree"


@pytest.fixture(scope="module")
def teacher(build_asr):
    model = build_asr(1, encoder_conf={"num_blocks": 4})
    model.ctc.ctc_lo.bias.data[0] = -1.0  # else it says nothing but blank
    return OnlineTeacher(model, layers=("last", "encoders.1", "encoders.3"))


@pytest.fixture
def distil(build_student, teacher):
    """Return distil(name of a file, encoder): a student and the file's content."""

    def build(name, encoder="conformer"):
        text = (RECIPE / f"{name}.yaml").read_text(encoding="utf-8")
        conf = yaml.safe_load(text.replace("steps: auto", "steps: 100"))
        given = conf["distill_conf"]
        student = build_student(0, encoder)
        width = student.encoder.output_size()
        sizes = {"last": width, "encoders.0": width}
        options = dict(blank_id=teacher.blank_id, vocab_size=len(teacher.token_list))
        distiller = Distiller(given.pop("terms"), sizes, teacher.sizes, **options)
        student.set_distillation(distiller, teacher, **given)
        return student.train(), conf

    return build


def test_the_files_are_there():
    assert {f"conf/distill_{name}" for name in EXPECTED.split()} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_with_every_file(distil, batch, name):
    student, conf = distil(name)
    before = {k: v.clone() for k, v in student.state_dict().items()}
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01)
    loss, stats, _ = student(**batch)
    loss.backward()
    optimizer.step()
    assert loss.isfinite()
    assert all(stats[f"loss_{term}"] != 0.0 for term in student.distiller.terms)
    grads = [p.grad for p in student.encoder.parameters() if p.grad is not None]
    assert grads and all(grad.isfinite().all() for grad in grads)
    for part in (
        "encoder",
        *(["distiller"] if len(student.distiller.state_dict()) else []),
    ):
        after = student.state_dict()
        names = [k for k in after if k.startswith(f"{part}.")]
        assert any(not torch.equal(after[k], before[k]) for k in names), part
    with torch.no_grad():
        valid = student.eval()(**batch)[1]
    for _, criterion, _ in conf.get("best_model_criterion", [[0, "loss_ctc", 0]]):
        assert criterion in valid


@pytest.mark.parametrize("name", ["conf/distill_rkd", "conf/distill_labelfree"])
def test_what_says_so_reads_no_transcript(distil, batch, name):
    student, _ = distil(name)
    student.eval()
    labelled = student(**batch)[0]
    batch["text"][:], batch["text_lengths"][:] = -1, 0
    assert torch.equal(student(**batch)[0], labelled)
