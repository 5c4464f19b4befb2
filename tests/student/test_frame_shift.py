import gc

import pytest
import torch
import yaml

from espnet_tutornet.student import frame_shift
from espnet_tutornet.student.frame_shift import (
    FrameShift,
    count_frames,
    largest_frame_shift,
    measure_frame_shift,
)
from espnet_tutornet.student.untrained import build_untrained

FRONTEND = {"fs": "auto", "n_fft": "32ms", "hop_length": "10ms", "n_mels": 20}
# those of the rest of the encoders, all of which lose one
LOST = {"conformer_conv2d1": 3, "conformer_conv2d2": 2, "rnn": -1, "vgg_rnn": -1}
LOST.update(jasper=-1, deepspeech2=-1)


@pytest.fixture
def config(tmp_path, make_args):
    """Return a function: the configuration of an encoder, as a file."""

    def write(kind, **changes):
        args = make_args(kind)
        conf = {"encoder": args.encoder, "encoder_conf": args.encoder_conf}
        conf.update(frontend="default", frontend_conf=FRONTEND, init="xavier_uniform")
        conf.update(normalize="global_mvn", normalize_conf={"stats_file": "no.npz"})
        conf["model_conf"] = {"ctc_weight": 1.0}
        path = tmp_path / f"{kind}.yaml"
        path.write_text(yaml.safe_dump({**conf, **changes}))
        return path

    return write


def test_every_encoder_tells_its_frames(config, encoder_name, subsampling_of):
    path = config(encoder_name)
    found = measure_frame_shift(path, fs=8000)
    samples = 80 * subsampling_of(encoder_name)
    assert found == FrameShift(samples, LOST.get(encoder_name, 1), path)
    model = build_untrained(path, fs=8000)
    for number in (16, 17, 30):
        count = number * samples
        assert count_frames(model, count) == number - found.lost
        # more samples, as few frames at least: that is all the filter needs
        for more in (1, 79, 80, samples - 1):
            assert count_frames(model, count + more) >= number - found.lost


@pytest.mark.parametrize(
    "frontend_conf, fs, samples",
    [
        (FRONTEND, 16000, 640),
        ({**FRONTEND, "n_fft": 512, "hop_length": "20ms"}, 22050, 4 * 441),
        ({"fs": 16000, "n_fft": 512, "hop_length": 200, "n_mels": 20}, 16000, 800),
        ({"n_mels": 20}, 16000, 4 * 128),  # ESPnet's default
        ({"fs": "8k", "n_mels": 20, "hop_length": 80}, 8000, 320),
    ],
)
def test_the_hop_is_that_of_the_frontend(config, frontend_conf, fs, samples):
    path = config("conformer", frontend_conf=frontend_conf)
    assert measure_frame_shift(path, fs) == FrameShift(samples, 1, path)


def test_the_configuration_of_a_trained_model_will_do(save_asr, tmp_path):
    """Such is a teacher that was brought; its statistics need not be there."""
    stats = {"normalize": "global_mvn", "normalize_conf": {"stats_file": "no.npz"}}
    path, _ = save_asr(tmp_path, 0, "e_branchformer", hybrid=True)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **stats}))
    assert measure_frame_shift(path, fs=16000) == FrameShift(640, 1, path)


def test_the_fewest_frames_decide(config):
    """The filter took 40 ms for all of them."""
    slow = config("conformer_conv2d8")
    paths = [config("conformer"), slow, config("rnn")]
    found = largest_frame_shift(paths, fs=8000)
    assert found == FrameShift(640, 1, slow)
    assert found.describe(8000) == f"frames of 80 ms, as of {slow}"


@pytest.mark.parametrize("order", [1, -1])
def test_of_equal_frames_the_most_lost_decide(config, order):
    paths = [config("rnn"), config("conformer")][::order]
    assert largest_frame_shift(paths, fs=8000).config.stem == "conformer"


def test_what_is_measured_is_what_ctc_can_reach(config):
    """One frame fewer, and ESPnet zeroes an infinite loss: nothing is learnt."""
    path = config("conformer_conv2d8")
    shift = measure_frame_shift(path, fs=8000)
    model = build_untrained(path, fs=8000)
    target = torch.tensor([[1] * 5])  # five tokens, four blanks between them
    losses = []
    for needed in (9, 8):
        count = (needed + shift.lost) * shift.samples
        with torch.no_grad():
            out, lens = model.encode(torch.zeros(1, count), torch.tensor([count]))
        log_probs = model.ctc.ctc_lo(out).log_softmax(-1).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(log_probs, target, lens, torch.tensor([5]))
        losses.append(bool(loss.isfinite()))
    assert losses == [True, False]


def test_no_second_thread_computes_before_jobs_are_forked(config, monkeypatch):
    """A fork of a process with OpenMP's threads hung in its first large product."""
    seen, count = [], frame_shift.count_frames

    def watched(*args):
        seen.append(torch.get_num_threads())
        return count(*args)

    monkeypatch.setattr(frame_shift, "count_frames", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        measure_frame_shift(config("rnn"), fs=8000)
        assert (seen, torch.get_num_threads()) == ([1, 1], 2)
    finally:
        torch.set_num_threads(before)


def test_nothing_is_said_of_a_model_that_is_thrown_away(config, caplog, recwarn):
    gc.collect()  # what other tests left open warns now, and not below
    recwarn.clear()
    measure_frame_shift(config("rnn"), fs=8000)
    assert caplog.text == "" and list(recwarn) == []


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"encoder": "nobody"}, "rnn.yaml: cannot be built: .*nobody"),
        ({"encoder_conf": {"width": 3}}, "rnn.yaml: cannot be built: .*'width'"),
        ({"frontend_conf": {"fs": 16000}}, "is for 16000 Hz, got 8000 Hz"),
        ({"frontend": None, "input_size": 80}, "takes features .*expected audio"),
        (
            {"frontend_conf": {"hop_length": "0.3ms"}},
            "rnn.yaml: .*2.4 samples at 8000 Hz",
        ),
    ],
)
def test_configurations_that_cannot_be_used_are_named(config, changes, message):
    with pytest.raises(ValueError, match=message):
        measure_frame_shift(config("rnn", **changes), fs=8000)


def test_files_that_are_no_configuration_are_named(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match="list.yaml: expected a yaml mapping, got l"):
        measure_frame_shift(tmp_path / "list.yaml", fs=8000)
    with pytest.raises(FileNotFoundError, match="none.yaml"):
        measure_frame_shift(tmp_path / "none.yaml", fs=8000)
