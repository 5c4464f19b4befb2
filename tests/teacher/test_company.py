"""What a teacher says of an utterance does not depend on its company in a batch."""

import numpy as np
import pytest
import soundfile
import torch

from espnet_tutornet.layers.padding import espnet_masks_padding
from espnet_tutornet.teacher.ensemble import TeacherEnsemble
from espnet_tutornet.teacher.listen import Listener, Source
from espnet_tutornet.teacher.online import OnlineTeacher

LENGTHS = [48_000, 40_000, 31_111]
# ESPnet's STFT mirrors the end of the longest utterance and reads zeros behind the
# others: with sound up to the end the last windows differ, and what hears them.
STFT = 2e-2
HEARS_PADDING = ["conformer_legacy", "contextual_conformer", "contextual_transformer"]


def make_batch(silence):
    """Return three utterances of noise that end with so many samples of silence."""
    generator = torch.Generator().manual_seed(0)
    speech = torch.zeros(3, LENGTHS[0])
    for row, samples in zip(speech, LENGTHS):
        heard = samples - silence
        row[:heard] = 0.1 * torch.randn(heard, generator=generator)
    return {"speech": speech, "speech_lengths": torch.tensor(LENGTHS)}


def errors(teacher, batch):
    """Ask about the batch and about each alone: the greatest relative norms."""
    together, worst = teacher(batch), 0.0
    for row, samples in enumerate(LENGTHS):
        lengths = torch.tensor([samples])
        speech = batch["speech"][row : row + 1, :samples]
        alone = teacher({"speech": speech, "speech_lengths": lengths})
        frames = int(alone.lens)
        assert int(together.lens[row]) == frames
        said = {**together.hidden, "posteriors": together.log_probs.exp()}
        for name, expected in {
            **alone.hidden,
            "posteriors": alone.log_probs.exp(),
        }.items():
            error = said[name][row, :frames] - expected[0, :frames]
            worst = max(worst, float(error.norm() / expected[0, :frames].norm()))
    return worst


def layers_of(model):
    names = [name for name, _ in model.encoder.named_modules()]
    blocks = [n for n in names if n.startswith("encoders.") and n.count(".") == 1]
    return ("last", *blocks)


def test_an_utterance_is_heard_as_if_it_were_alone(build_asr, shake, encoder_kind):
    model = shake(build_asr(1, encoder_kind))
    layers = ("last",) if "contextual" in encoder_kind else layers_of(model)
    teacher = OnlineTeacher(model, layers=layers)
    assert (teacher.padding == "unpadded") == (encoder_kind in HEARS_PADDING)
    assert errors(teacher, make_batch(silence=2_048)) < 1e-4
    assert errors(teacher, make_batch(silence=0)) < STFT


@pytest.mark.parametrize("kind", HEARS_PADDING)
def test_stock_batches_are_heard_with_their_padding(build_asr, shake, kind):
    teacher = OnlineTeacher(shake(build_asr(1, kind)), masked=False)
    assert teacher.padding == "stock"
    with pytest.raises(AssertionError):  # other outputs, or other frame counts
        assert errors(teacher, make_batch(silence=2_048)) < 1e-4


@pytest.mark.skipif(espnet_masks_padding(), reason="this ESPnet masks it")
def test_stock_batches_of_the_older_release_have_other_frame_counts(build_asr):
    teacher = OnlineTeacher(build_asr(1, "conformer"), masked=False)
    together = teacher(make_batch(0))
    lens = [teacher({**make_batch(0), **alone(row)}).lens for row in range(3)]
    assert together.lens.tolist() != [int(x) for x in lens]


def alone(row):
    batch = make_batch(0)
    samples = LENGTHS[row]
    return {
        "speech": batch["speech"][row : row + 1, :samples],
        "speech_lengths": torch.tensor([samples]),
    }


def test_an_ensemble_hears_each_alone_too(build_asr, shake):
    members = {
        name: OnlineTeacher(shake(build_asr(seed, name)))
        # the second has fewer frames than the first
        for seed, name in enumerate(("rnn", "contextual_conformer"))
    }
    assert errors(TeacherEnsemble(members), make_batch(silence=2_048)) < 1e-4


@pytest.mark.parametrize("kind", ["conformer", "contextual_conformer"])
def test_stage_8_keeps_what_the_teacher_says_alone(save_asr, tmp_path, kind):
    config, model = save_asr(tmp_path / "teacher", 1, kind)
    batch = make_batch(silence=2_048)
    with (tmp_path / "wav.scp").open("w") as f:
        for row, samples in enumerate(LENGTHS):
            path = tmp_path / f"{row}.wav"
            wave = batch["speech"][row, :samples].numpy()
            soundfile.write(path, wave, 16000, subtype="FLOAT")
            print(f"u{row}", path, file=f)
    files = (str(config), str(model), str(tmp_path / "wav.scp"))
    listener = Listener(Source(*files, ("last",), True, batch_frames=3000))
    lengths = {f"u{row}": samples for row, samples in enumerate(LENGTHS)}
    kept = dict(listener.outputs(list(lengths), lengths))
    for utt_id in lengths:
        expected = listener.listen([utt_id])
        assert len(kept[utt_id]["last"]) == int(expected.lens)
        for name, values in (
            ("last", expected.hidden["last"]),
            ("posteriors", expected.log_probs),
        ):
            np.testing.assert_allclose(kept[utt_id][name], values[0], atol=1e-4)
