import json
from dataclasses import replace

import pytest
import torch

from espnet_tutornet.cache.manifest import (
    Manifest,
    Shard,
    fingerprint,
    read_manifest,
)

PLAN = Manifest(
    fingerprint="f" * 64,
    fs=8000,
    frame_shift=320.0,
    token_list=["<blank>", *"abcdefgh"],
    blank_id=0,
    layers={"last": {"form": "two_byte", "width": 12, "codes": 0}},
    top_k=3,
)
SHARDS = [
    Shard("00000", "in", 3, 40, {"last.ark": "aa"}, {"last.ark": 7}),
    Shard("00001", "in", 2, 20, {"last.ark": "bb"}, {"last.ark": 8}),
]


def test_what_is_written_is_read(tmp_path):
    replace(PLAN, shards=SHARDS).write(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest == replace(PLAN, shards=SHARDS)
    assert (manifest.utterances, manifest.frames) == (5, 60)


@pytest.mark.parametrize(
    "layer, top_k, size",
    [
        (dict(form="two_byte", width=12, codes=0), 0, 24),
        (dict(form="one_byte", width=12, codes=0), 3, 12 + 3 * 4 - 2),
        (dict(form="pq", width=12, codes=4), 9, 4 + 9 * 2),
    ],
)
def test_bytes_of_a_frame(layer, top_k, size):
    assert replace(PLAN, layers={"last": layer}, top_k=top_k).bytes_per_frame == size


def test_an_unfinished_cache_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="complete cache.*stage 8"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 3}'])
def test_a_damaged_manifest_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="manifest.json is not a manifest.*stage 8"):
        read_manifest(tmp_path)


def test_another_format_is_refused(tmp_path):
    PLAN.write(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(ValueError, match="expected format 3, got 99.*stage 8"):
        read_manifest(tmp_path)


def test_fingerprint_follows_parameters_and_structure():
    config = {"encoder": "conformer", "encoder_conf": {"num_blocks": 2}}
    parameters = {"a": torch.ones(2), "b": torch.tensor(3)}
    mine = fingerprint(config, parameters)
    same = fingerprint({**config, "max_epoch": 7}, dict(reversed(parameters.items())))
    assert same == mine
    others = [
        fingerprint(config, {**parameters, "a": torch.tensor([1.0, 1.0001])}),
        fingerprint(config, {**parameters, "b": torch.tensor(3.0)}),
        fingerprint(config, {"a": parameters["a"]}),
        fingerprint({**config, "encoder_conf": {"num_blocks": 3}}, parameters),
        fingerprint({**config, "frontend_conf": {"hop_length": 99}}, parameters),
    ]
    zeros = [torch.zeros(2), torch.zeros(2, dtype=torch.int32)]
    kinds = [fingerprint(config, {"a": zero}) for zero in zeros]
    assert kinds[0] != kinds[1]
    assert mine not in others and len(set(others)) == 5


def test_a_buffer_in_double_precision_keeps_the_fingerprint():
    """ESPnet 202611 builds some buffers in float64 and saves them in float32."""
    values = torch.randn(3, generator=torch.Generator().manual_seed(0))
    saved, built = ({"normalize.mean": x} for x in (values, values.double()))
    assert fingerprint({}, saved) == fingerprint({}, built)
    assert fingerprint({}, saved) != fingerprint({}, {"normalize.mean": values + 1})
