from dataclasses import replace

import pytest
import torch

from espnet_tutornet.teacher.dump import (
    Listener,
    Source,
    plan_batches,
    plan_parts,
    sample_codebooks,
)
from espnet_tutornet.teacher.manifest import Manifest, fingerprint

PLAN = Manifest("f", 16000, 640.0, ["<blank>", "a"], 0, {}, 2)
LENGTHS = {"u0": 8000, "u1": 9600, "u2": 11200}


@pytest.fixture(scope="module")
def source(teacher_files, wav_data):
    config, model = (str(path) for path in teacher_files)
    return Source(config, model, str(wav_data / "wav.scp"), ("last",), True, 50)


@pytest.fixture(scope="module")
def listener(source):
    return Listener(source)


def test_parts_are_of_like_length_and_hold_every_utterance_once():
    lengths = {f"u{i}": (i * 7) % 11 + 1 for i in range(10)}
    parts = plan_parts(lengths, 3, PLAN)
    flat = [lengths[utt_id] for part in parts for utt_id in part.utt_ids]
    assert flat == sorted(lengths.values(), reverse=True)
    assert [len(part.utt_ids) for part in parts] == [3, 3, 3, 1]
    assert [part.name for part in parts] == ["00000", "00001", "00002", "00003"]


def test_a_part_depends_on_its_own_utterances_and_on_the_plan():
    lengths = {"a": 9, "b": 8, "c": 2, "d": 1}
    mine = [part.inputs for part in plan_parts(lengths, 2, PLAN)]
    other = [part.inputs for part in plan_parts({**lengths, "d": 2}, 2, PLAN)]
    assert mine[0] == other[0] and mine[1] != other[1]
    assert plan_parts(lengths, 2, replace(PLAN, top_k=3))[0].inputs != mine[0]
    assert plan_parts(lengths, 2, PLAN, codebooks="x")[0].inputs != mine[0]
    assert plan_parts(lengths, 2, replace(PLAN, request="x"))[0].inputs == mine[0]


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


def test_the_plan_describes_the_teacher(listener, teacher_files, tokens):
    plan = listener.manifest("pq", 4, top_k=50)
    teacher = listener.teacher
    assert plan.token_list == tokens and plan.top_k == len(tokens)
    assert (plan.fs, plan.frame_shift, plan.blank_id) == (16000, 640.0, 0)
    assert plan.layers == {"last": {"form": "pq", "width": 12, "codes": 4}}
    parameters = torch.load(teacher_files[1], weights_only=True)
    import yaml

    config = yaml.safe_load(teacher_files[0].read_text())
    assert plan.fingerprint == fingerprint(config, parameters)
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
