from dataclasses import replace

import pytest

from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.teacher import dump as dump_module
from espnet_tutornet.teacher.dump import Keep, Workers, dump, plan_parts
from espnet_tutornet.teacher.listen import Source

PLAN = Manifest("f", 16000, 640.0, ["<blank>", "a"], 0, {}, 2)


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


@pytest.mark.parametrize(
    "backend, ngpu, device",
    [("local", 0, "cpu"), ("local", 2, "cuda:0"), ("slurm", 2, "cpu")],
)
def test_a_front_end_of_a_batch_system_needs_no_gpu(
    tmp_path, monkeypatch, backend, ngpu, device
):
    def remember(source, device):
        raise LookupError(device)

    monkeypatch.setattr(dump_module, "Listener", remember)
    source = Source("config", "model", "wav.scp", ("last",), True, 50, ngpu)
    workers = Workers(backend)
    with pytest.raises(LookupError, match=device):
        dump(tmp_path, source, Keep("two_byte", 0, 2, 9), {"u0": 8000}, workers)
