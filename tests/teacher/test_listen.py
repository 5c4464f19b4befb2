from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_tutornet.cache.manifest import fingerprint
from espnet_tutornet.teacher import listen
from espnet_tutornet.teacher.listen import (
    Listener,
    Source,
    dump_shard,
    plan_batches,
    sample_codebooks,
)

LENGTHS = {"u0": 8000, "u1": 9600, "u2": 11200}


@pytest.fixture(scope="module")
def source(teacher_files, wav_data):
    config, model = (str(path) for path in teacher_files)
    return Source(config, model, str(wav_data / "wav.scp"), ("last",), True, 50)


@pytest.fixture(scope="module")
def listener(source):
    return Listener(source)


def test_batches_count_the_padding_and_no_utterance_is_too_long():
    lengths = {"a": 2, "b": 5, "c": 4, "d": 30, "e": 1}
    batches = list(plan_batches("abcde", lengths, 10))
    assert batches == [["a", "b"], ["c"], ["d"], ["e"]]
    assert list(plan_batches("", lengths, 10)) == []


def test_outputs_of_a_corpus_are_those_of_its_batches(listener, source):
    ids = ["u2", "u1", "u0"]
    said = dict(listener.outputs(ids, LENGTHS))
    assert list(said) == ids
    # 50 frames of 640 samples: two utterances a batch, then one
    for batch in (["u2", "u1"], ["u0"]):
        outputs = listener.listen(batch)
        for row, utt_id in enumerate(batch):
            frames = int(outputs.lens[row])
            hidden = outputs.hidden["last"][row, :frames]
            assert torch.equal(said[utt_id]["last"], hidden)
            log_probs = outputs.log_probs[row, :frames]
            assert torch.equal(said[utt_id]["posteriors"], log_probs)


@pytest.mark.parametrize("samples", [1, 320, 800])
def test_what_is_too_short_for_the_teacher_is_named(source, tmp_path, samples):
    """A dump of hours ended in the STFT or in ESPnet, and nobody knew with what."""
    soundfile.write(tmp_path / "a.wav", np.zeros(samples), 16000)
    (tmp_path / "wav.scp").write_text(f"v0 {tmp_path}/a.wav\n")
    listener = Listener(replace(source, wav_scp=str(tmp_path / "wav.scp")))
    message = f"^v0: too short for the teacher, the longest has {samples} samples"
    with pytest.raises(ValueError, match=message):
        list(listener.outputs(["v0"], {"v0": samples}))


def test_the_plan_describes_the_teacher(listener, teacher_files, tokens):
    plan = listener.manifest("pq", 4, top_k=50)
    teacher = listener.teacher
    assert plan.token_list == tokens and plan.top_k == len(tokens)
    assert (plan.fs, plan.frame_shift, plan.blank_id) == (16000, 640.0, 0)
    assert plan.layers == {"last": {"form": "pq", "width": 12, "codes": 4}}
    for codes, useful in (
        (9, 6),
        (12, 12),
        (50, 12),
    ):  # nine groups of two: three empty
        assert listener.manifest("pq", codes, 0).layers["last"]["codes"] == useful
    parameters = torch.load(teacher_files[1], weights_only=True)
    config = yaml.safe_load(teacher_files[0].read_text())
    assert plan.fingerprint == fingerprint(config, parameters)
    assert plan.frontend == {"name": "default", **config["frontend_conf"]}
    assert teacher.model.training is False


def test_without_posteriors_none_are_planned(source):
    listener = Listener(replace(source, posteriors=False))
    assert listener.manifest("two_byte", 0, top_k=8).top_k == 0
    _, streams = next(listener.outputs(["u0"], LENGTHS))
    assert set(streams) == {"last"}


def test_codebooks_of_too_little_audio_are_refused(listener):
    plan = listener.manifest("pq", 4, top_k=2)
    with pytest.raises(ValueError, match="at least 256 frames"):
        sample_codebooks(listener, plan, LENGTHS)


def test_codebooks_are_as_large_as_planned_and_of_this_teacher(source, tmp_path):
    rng = np.random.default_rng(0)
    wav = tmp_path / "long.wav"
    soundfile.write(wav, rng.uniform(-0.1, 0.1, 256_000), 16000)  # 16 s, 400 frames
    (tmp_path / "wav.scp").write_text(f"long {wav}\n")
    listener = Listener(replace(source, wav_scp=str(tmp_path / "wav.scp")))
    plan = listener.manifest("pq", 6, top_k=2)
    books = sample_codebooks(listener, plan, {"long": 256_000})
    assert list(books) == ["last"] and books["last"].shape == (6, 256, 2)
    hidden = listener.listen(["long"]).hidden["last"][0]
    form = plan.forms(books)["last"]
    read = form.decode(torch.as_tensor(form.encode(hidden)).unsqueeze(0))[0]
    assert (read - hidden).pow(2).mean() < 0.1 * hidden.var()


def test_a_worker_asks_one_gpu_about_all_of_its_shards(source, monkeypatch, tmp_path):
    """Two GPUs, three workers: else each would load the teacher again and again."""
    devices = []

    def remember(source, device):
        devices.append(device)
        raise LookupError

    monkeypatch.setattr(listen, "_listener", remember)
    shard = (str(tmp_path), replace(source, ngpu=2), None)
    for number, device in enumerate(["cuda:0", "cuda:1", "cuda:0"]):
        monkeypatch.setattr(listen, "number_of_worker", lambda: number)
        for name in ("00000", "00001"):
            with pytest.raises(LookupError):
                dump_shard(*shard, name, ["u0"], "inputs", LENGTHS)
        assert devices[-2:] == [device, device]
