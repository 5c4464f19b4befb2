from dataclasses import replace

import numpy as np
import pytest
import torch

from espnet_tutornet.cache import ark
from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.cache.store import (
    CacheReader,
    check_shards,
    codebooks_inputs,
    damage,
    finish_cache,
    load_codebooks,
    open_cache,
    read_shard,
    save_codebooks,
    write_shard,
)

PLAN = Manifest(
    fingerprint="f" * 64,
    fs=8000,
    frame_shift=320.0,
    token_list=["<blank>", "a", "b", "c"],
    blank_id=0,
    layers={"last": {"form": "two_byte", "width": 3, "codes": 0}},
    top_k=2,
)
SHARDS = {"00000": {"u1": 5, "u3": 4}, "00001": {"u2": 2}}


def say(utt_id, frames):
    generator = torch.Generator().manual_seed(int(utt_id[1:]))
    return {
        "last": torch.randn(frames, 3, generator=generator),
        "posteriors": torch.randn(frames, 4, generator=generator).log_softmax(-1),
    }


@pytest.fixture
def cache(tmp_path):
    forms = PLAN.forms({})
    shards = []
    for name, utterances in SHARDS.items():
        outputs = ((utt_id, say(utt_id, n)) for utt_id, n in utterances.items())
        shards.append(write_shard(tmp_path, name, forms, outputs, f"in {name}"))
    finish_cache(tmp_path, PLAN, shards)
    return tmp_path


def test_an_utterance_comes_back_with_its_streams_side_by_side(cache):
    reader = CacheReader(cache)
    assert sorted(reader) == ["u1", "u2", "u3"] and len(reader) == 3
    assert "u2" in reader and "u4" not in reader
    for utt_id, frames in {"u1": 5, "u2": 2, "u3": 4}.items():
        value = reader[utt_id]
        assert value.shape == (frames, 3 + 3) and value.dtype == np.float32
        said = say(utt_id, frames)
        np.testing.assert_allclose(value[:, :3], said["last"], atol=1e-4)
        expected = PLAN.forms({})["posteriors"].encode(said["posteriors"])
        np.testing.assert_allclose(value[:, 3:], expected, atol=0.01)


def test_an_utterance_that_is_not_there_has_no_frames(cache):
    assert CacheReader(cache)["u4"].shape == (0, 6)


def test_all_who_ask_share_a_reader_until_the_cache_is_written_anew(cache):
    reader = open_cache(cache)
    assert open_cache(str(cache)) is reader
    shards = reader.manifest.shards
    finish_cache(cache, PLAN, shards[:1])
    assert sorted(open_cache(cache)) == ["u1", "u3"]
    finish_cache(cache, PLAN, shards)
    assert sorted(open_cache(cache)) == ["u1", "u2", "u3"]


def test_opening_what_is_no_cache_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="stage 8"):
        open_cache(tmp_path)


def test_the_index_is_kaldis(cache):
    lines = (cache / "last.scp").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["u1", "u2", "u3"]
    archive, offset = lines[1].split()[1].rsplit(":", 1)
    assert archive == str(cache / "shards/00001/last.ark") and int(offset) == 3


def test_the_manifest_counts_and_the_record_of_a_shard_is_its_entry(cache):
    manifest = CacheReader(cache).manifest
    assert (manifest.utterances, manifest.frames) == (3, 11)
    assert read_shard(cache, "00001") == manifest.shards[1]
    assert manifest.shards[1].inputs == "in 00001"
    assert read_shard(cache, "00002") is None


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "harm, seen_by_size, message",
    [
        (flip_a_bit, False, "last.ark has another checksum"),
        (truncate, True, "last.ark has 39 bytes, expected 40"),
        (lambda path: path.unlink(), True, "last.ark is missing"),
    ],
)
def test_a_damaged_shard_is_named(cache, harm, seen_by_size, message):
    path = cache / "shards/00001/last.ark"
    size = path.stat().st_size
    harm(path)
    shards = CacheReader(cache).manifest.shards if not seen_by_size else None
    message = message.replace("39", str(size - 1)).replace("40", str(size))
    if seen_by_size:
        with pytest.raises(RuntimeError, match=f"1 of 2 shards.*00001/{message}.*8"):
            CacheReader(cache)
    else:
        assert damage(cache, shards[1], thorough=False) is None
        assert damage(cache, shards[0], thorough=True) is None
        assert message in damage(cache, shards[1], thorough=True)
        manifest = replace(PLAN, shards=shards)
        with pytest.raises(RuntimeError, match=f"1 of 2 shards.*00001/{message}.*8"):
            check_shards(cache, manifest, thorough=True)


def test_a_shard_that_fails_leaves_the_old_one(cache):
    before = read_shard(cache, "00000")

    def outputs():
        yield "u9", say("u9", 2)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_shard(cache, "00000", PLAN.forms({}), outputs())
    assert read_shard(cache, "00000") == before
    assert damage(cache, before, thorough=True) is None
    assert [path.name for path in sorted((cache / "shards").iterdir())] == [*SHARDS]


def test_a_disk_that_fills_up_while_writing_leaves_the_old_shard(cache, monkeypatch):
    before = read_shard(cache, "00000")
    real = ark.write_ark

    def write(path, *args):
        if path.name == "posteriors.ark":
            raise OSError(28, "No space left on device")
        return real(path, *args)

    monkeypatch.setattr(ark, "write_ark", write)
    with pytest.raises(OSError, match="No space"):
        write_shard(cache, "00000", PLAN.forms({}), [("u9", say("u9", 2))])
    assert read_shard(cache, "00000") == before
    assert damage(cache, before, thorough=True) is None
    assert [path.name for path in sorted((cache / "shards").iterdir())] == [*SHARDS]


def test_codebooks_keep_what_they_were_learned_from(tmp_path):
    assert load_codebooks(tmp_path) == {} and codebooks_inputs(tmp_path) is None
    books = {"last": np.ones((2, 256, 3), np.float32)}
    save_codebooks(tmp_path, books, "hash")
    assert codebooks_inputs(tmp_path) == "hash"
    assert list(load_codebooks(tmp_path)) == ["last"]
    assert np.array_equal(load_codebooks(tmp_path)["last"], books["last"])
    (tmp_path / "codebooks.npz").write_bytes(b"PK damaged")
    assert codebooks_inputs(tmp_path) is None
