import base64
import io
import itertools

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_tutornet.report.recognition import (
    Outputs,
    Recogniser,
    embed_audio,
    find_files,
    force_align,
    log_mel,
    read_audio,
    read_set,
    weigh_frames,
)


@pytest.fixture(scope="module")
def recogniser(teacher_files):
    return Recogniser(*teacher_files)


def test_a_recogniser_says_log_probabilities_every_40_ms(recogniser, wav_data):
    wave, fs = read_audio(wav_data / "u1.wav")
    outputs = recogniser.recognise(wave, fs)
    assert outputs.log_probs.shape[1] == len(recogniser.token_list) == 7
    assert np.exp(outputs.log_probs).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert outputs.shift == 40.0  # four frames of 10 ms
    assert outputs.hidden.shape == (len(outputs.log_probs), 12)


def test_a_recogniser_takes_one_thread_and_gives_the_others_back(recogniser, wav_data):
    threads = []
    hook = recogniser.model.model.encoder.register_forward_hook(
        lambda *_: threads.append(torch.get_num_threads())
    )
    torch.set_num_threads(2)
    try:
        recogniser.recognise(*read_audio(wav_data / "u1.wav"))
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)
        hook.remove()


def test_a_recogniser_refuses_another_rate(recogniser):
    with pytest.raises(ValueError, match="trained at 16000 Hz, got audio at 8000 Hz"):
        recogniser.recognise(np.zeros(8000, dtype=np.float32), 8000)


def test_transcripts_are_spelt_in_tokens(recogniser, monkeypatch):
    monkeypatch.setattr(recogniser.config, "token_type", "char")
    # A, the space and X are not known, B
    assert recogniser.token_ids("A XB") == [2, 1, 1, 3]


def test_frame_weights_are_those_of_the_term():
    log_probs = np.log([[0.9, 0.1], [0.4, 0.6]]).astype(np.float32)
    outputs = Outputs(log_probs, torch.zeros(2, 3), 20.0)
    assert weigh_frames(outputs, {}, 0) == pytest.approx([0.2857, 1.7143], abs=1e-4)
    assert weigh_frames(outputs, {"frame_weights": "none"}, 0).tolist() == [1.0, 1.0]
    conf = {"frame_weights": "mask", "frame_weights_conf": {"dilation": 0}}
    assert weigh_frames(outputs, conf, 0).tolist() == [0.0, 2.0]


def test_files_of_a_run_are_its_export_or_its_average(tmp_path):
    assert find_files(tmp_path) is None
    conf = {"best_model_criterion": [["valid", "loss_ctc", "min"]]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(conf))
    assert find_files(tmp_path) is None
    (tmp_path / "model.pth").touch()
    (tmp_path / "valid.loss_ctc.ave.pth").touch()
    assert find_files(tmp_path)[1].name == "valid.loss_ctc.ave.pth"
    (tmp_path / "export").mkdir()
    for name in ("config.yaml", "model.pth"):
        (tmp_path / "export" / name).touch()
    assert find_files(tmp_path)[1] == tmp_path / "export/model.pth"


def test_embedded_audio_is_the_audio(tmp_path):
    wave = np.sin(np.arange(800) / 9).astype(np.float32) / 2
    source = embed_audio(wave, 8000)
    head, data = source.split(",")
    assert head == "data:audio/flac;base64"
    heard, fs = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
    assert fs == 8000 and heard == pytest.approx(wave, abs=2**-15)


def test_log_mel_is_loudest_where_the_sound_is():
    wave = np.zeros(8000, dtype=np.float32)
    wave[4000:] = np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
    energies, shift = log_mel(wave, 8000)
    assert energies.shape[0] == 40 and shift == 0.01
    assert energies[:, 80].max() > energies[:, 20].max() + 60


def test_a_set_may_have_no_transcripts(tmp_path):
    (tmp_path / "wav.scp").write_text("a a.wav\nb b.wav\n")
    assert read_set(tmp_path) == {"a": ("a.wav", ""), "b": ("b.wav", "")}
    (tmp_path / "text").write_text("a ONE TWO\nb SIX\n")
    assert read_set(tmp_path)["a"] == ("a.wav", "ONE TWO")
    with pytest.raises(FileNotFoundError, match="wav.scp"):
        read_set(tmp_path / "nowhere")


def test_a_recogniser_reports_the_layer_of_the_term(teacher_files):
    wave = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    last, inner = (
        Recogniser(*teacher_files, layer=name).recognise(wave, 16000)
        for name in ("last", "encoders.0")
    )
    assert inner.hidden.shape == last.hidden.shape
    assert not torch.allclose(inner.hidden, last.hidden)
    assert np.array_equal(inner.log_probs, last.log_probs)


def log_softmax(*rows):
    return np.log(np.array(rows) / np.sum(rows, axis=1, keepdims=True))


def random_log_probs(frames, size, seed=0):
    rows = np.random.default_rng(seed).normal(size=(frames, size))
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def test_alignment_of_spiky_posteriors_is_read_off_by_hand():
    log_probs = log_softmax(
        [0.9, 0.05, 0.05],
        [0.2, 0.7, 0.1],
        [0.3, 0.6, 0.1],
        [0.9, 0.05, 0.05],
        [0.1, 0.1, 0.8],
    )
    assert force_align(log_probs, [1, 2], 0) == [(1, 3), (4, 5)]
    # A A needs a blank between: frames 1 and 2 cannot both be A's
    assert force_align(log_probs[:4], [1, 1], 0) in ([(1, 2), (3, 4)], [(0, 1), (2, 3)])


@pytest.mark.parametrize("targets", [[1], [1, 1], [1, 2, 1], [2, 2, 1]])
def test_alignment_is_the_best_of_all_paths(targets):
    log_probs = random_log_probs(6, 3, seed=len(targets))
    best, found = -np.inf, None
    for path in itertools.product(range(3), repeat=6):
        said = [token for token, _ in itertools.groupby(path) if token]
        score = sum(log_probs[t, token] for t, token in enumerate(path))
        if said == targets and score > best:
            best, found = score, path
    runs, start = [], 0
    for token, group in itertools.groupby(found):
        stop = start + len(list(group))
        runs += [(start, stop)] * (token != 0)
        start = stop
    assert force_align(log_probs, targets, 0) == runs


def test_a_transcript_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 tokens with 1 repeats need.*got 2"):
        force_align(random_log_probs(2, 3), [1, 1], 0)
    with pytest.raises(ValueError, match="must not hold the blank, 0"):
        force_align(random_log_probs(4, 3), [1, 0], 0)
