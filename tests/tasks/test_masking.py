import pytest
import torch

from espnet_tutornet.layers.padding import espnet_masks_padding
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.tasks.masking import MaskedASRTask

LENGTHS = [32_000, 21_333, 16_000]
SILENCE = 2_048  # for ESPnet's STFT, which mirrors the end of the longest utterance


@pytest.fixture
def build(make_args, teacher_files):
    def run(mask_padding, encoder="e_branchformer", teacher=teacher_files):
        conf = {
            "teacher": dict(zip(("config", "model"), map(str, teacher))),
            "terms": {"rkd": {}},
            "mask_padding": mask_padding,
        }
        torch.manual_seed(1)
        return TutorNetTask.build_model(make_args(encoder, distill_conf=conf))

    return run


def error(model):
    """Encode in a batch and alone: the greatest relative norm; inf: other lengths."""
    generator = torch.Generator().manual_seed(0)
    speech = torch.zeros(3, LENGTHS[0])
    for row, samples in zip(speech, LENGTHS):
        row[: samples - SILENCE] = torch.randn(samples - SILENCE, generator=generator)
    errors = []
    with torch.no_grad():
        together, lens = model.encode(speech, torch.tensor(LENGTHS))
        for row, samples in enumerate(LENGTHS):
            cut = speech[row : row + 1, :samples]
            alone, frames = model.encode(cut, torch.tensor([samples]))
            if int(frames) != int(lens[row]):
                return float("inf")
            difference = together[row, : int(frames)] - alone[0]
            errors.append(float(difference.norm() / alone.norm()))
    return max(errors)


def test_the_student_reads_no_padding_where_it_is_asked_for(build):
    assert error(build("all").eval()) < 1e-5


@pytest.mark.skipif(espnet_masks_padding(), reason="this ESPnet masks it")
@pytest.mark.parametrize("choice", ["teacher", "none"])
def test_else_it_is_as_espnet_has_it(build, choice):
    assert error(build(choice).eval()) > 1e-4


@pytest.mark.parametrize(
    "choice, padding", [("teacher", "masked"), ("all", "masked"), ("none", "stock")]
)
def test_the_choice_says_how_the_teacher_is_asked(build, choice, padding):
    assert build(choice).teacher.padding == padding


def test_an_unknown_choice_lists_the_known(build):
    with pytest.raises(ValueError, match="mask_padding.*'all', 'none', 'teacher'.*on"):
        build("on")


def test_what_cannot_be_masked_is_said(build, caplog):
    build("all", encoder="contextual_conformer")
    assert "cannot be masked" in caplog.text


def test_without_distillation_the_student_is_masked_too(make_args):
    model = MaskedASRTask.build_model(make_args("e_branchformer"))
    assert error(model.eval()) < 1e-5
