import fcntl
import json
import shutil
from collections import namedtuple

import dask
import numpy as np
import pytest
import soundfile

from espnet_tutornet.bin.dump_teacher import main, parse_form
from espnet_tutornet.cache.store import CacheReader


@pytest.fixture(scope="module")
def data_dirs(tmp_path_factory):
    """Return two data directories, of five and of two utterances."""
    rng = np.random.default_rng(0)
    dirs = []
    for name, number in (("train", 5), ("dev", 2)):
        directory = tmp_path_factory.mktemp("data") / name
        directory.mkdir()
        for index in range(number):
            samples = 8000 + 1600 * index
            wav = directory / f"{name}{index}.wav"
            soundfile.write(wav, rng.uniform(-0.1, 0.1, samples), 16000)
            with (directory / "wav.scp").open("a") as f:
                f.write(f"{name}{index} {wav}\n")
            with (directory / "utt2num_samples").open("a") as f:
                f.write(f"{name}{index} {samples}\n")
        dirs.append(str(directory))
    return dirs


@pytest.fixture
def dump(teacher_files, data_dirs, tmp_path, capsys):
    """Return dump(*words): the cache directory and what was printed."""

    def run(*words, data=data_dirs, teacher=teacher_files):
        command = ["--teacher_config", str(teacher[0])]
        command += ["--teacher_model", str(teacher[1]), "--data_dirs", *data]
        command += ["--out_dir", str(tmp_path / "cache"), "--hidden_form", "two_byte"]
        command += ["--top_k", "3", "--shard_utterances", "3", *words]
        main(command)
        return tmp_path / "cache", capsys.readouterr().out

    return run


def contents(cache):
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in sorted(cache.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def mtimes(cache):
    return {path: (cache / path).stat().st_mtime_ns for path in contents(cache)}


def test_all_utterances_are_dumped_and_a_second_time_nothing_is(dump):
    cache, output = dump()
    assert "7 of 7 utterances to do, 3 shards, 34 bytes a frame" in output
    reader = CacheReader(cache)
    assert len(reader) == 7 and reader["train4"].shape == (22, 12 + 5)
    before, times = contents(cache), mtimes(cache)
    _, output = dump()
    assert "7 utterances, nothing to do" in output
    assert contents(cache) == before and mtimes(cache) == times


def test_workers_side_by_side_write_the_same(dump, tmp_path, espnet_server):
    """Dask starts them, here by a server: each alone would load ESPnet for itself."""
    alone = contents(dump()[0])
    shutil.rmtree(tmp_path / "cache")
    method = {"distributed.worker.multiprocessing-method": "forkserver"}
    with dask.config.set(method):
        assert contents(dump("--nj", "2")[0]) == alone


def test_the_forecast_is_what_the_disk_holds(dump):
    cache, output = dump()
    shards = json.loads((cache / "manifest.json").read_text())["shards"]
    frames = sum(shard["frames"] for shard in shards)
    archives = sum(path.stat().st_size for path in cache.rglob("*.ark"))
    assert 36 * frames < archives < 36 * frames + 7 * 2 * 60
    assert f"7 utterances, {frames} frames" in output


@pytest.mark.parametrize("harm", ["flip", "truncate", "delete"])
def test_a_damaged_shard_is_rebuilt_alone(dump, harm):
    cache, _ = dump()
    before = contents(cache)
    path = cache / "shards/00001/posteriors.ark"
    content = bytearray(path.read_bytes())
    if harm == "delete":
        path.unlink()
    elif harm == "truncate":
        path.write_bytes(content[:-3])
    else:
        content[-5] ^= 64
        path.write_bytes(content)
    others = [cache / f"shards/{name}/last.ark" for name in ("00000", "00002")]
    times = [other.stat().st_mtime_ns for other in others]
    _, output = dump()
    assert "shard 00001 is made again" in output and f"{path}" in output
    assert "1 shards" in output
    assert contents(cache) == before
    assert [other.stat().st_mtime_ns for other in others] == times


def test_a_dump_that_was_cut_short_goes_on(dump):
    cache, _ = dump()
    before = contents(cache)
    (cache / "manifest.json").unlink()
    shutil.rmtree(cache / "shards/00002")
    with pytest.raises(FileNotFoundError, match="complete cache"):
        CacheReader(cache)
    _, output = dump()
    assert "1 of 7 utterances to do, 1 shards" in output
    assert contents(cache) == before


def test_another_teacher_or_form_makes_everything_anew(dump, save_asr, tmp_path):
    cache, _ = dump()
    _, output = dump("--hidden_form", "one_byte")
    assert "7 of 7 utterances to do" in output
    first = CacheReader(cache).manifest
    other = save_asr(tmp_path / "other", seed=9)
    _, output = dump("--hidden_form", "one_byte", teacher=other)
    assert "7 of 7 utterances to do" in output
    assert CacheReader(cache).manifest.fingerprint != first.fingerprint


def test_fewer_utterances_leave_no_stale_shard(dump, data_dirs):
    cache, _ = dump()
    dump(data=data_dirs[1:])
    assert sorted(CacheReader(cache)) == ["dev0", "dev1"]
    assert [path.name for path in (cache / "shards").iterdir()] == ["00000"]


def refused(dump, capsys, *words, **given):
    with pytest.raises(SystemExit) as stop:
        dump(*words, **given)
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_a_disk_that_cannot_hold_the_forecast_stops_it(dump, capsys, monkeypatch):
    usage = namedtuple("usage", "total used free")(10_000, 9_000, 1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    message = refused(dump, capsys)
    assert "are forecast, but only 0.0 MB are free" in message


def test_two_dumps_into_one_directory_are_refused(dump, capsys, tmp_path):
    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache/.lock").open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        message = refused(dump, capsys)
    assert "another dump works in" in message


def test_an_utterance_in_two_directories_is_refused(dump, capsys, data_dirs):
    message = refused(dump, capsys, data=[data_dirs[0], data_dirs[0]])
    assert "'train0'" in message and "another of --data_dirs" in message


def test_audio_of_another_rate_than_the_teachers_is_refused(dump, capsys):
    message = refused(dump, capsys, "--fs", "8000")
    assert "trained at 16000 Hz and the corpus is at 8000" in message
    assert "7 utterances" in dump("--fs", "16000")[1]


def test_codebooks_of_too_little_audio_are_refused(dump, capsys):
    message = refused(dump, capsys, "--hidden_form", "pq4")
    assert "at least 256 frames" in message


@pytest.mark.parametrize("text", ["pq", "pq0", "float16"])
def test_an_unknown_form_is_refused(text):
    with pytest.raises(ValueError, match="one_byte.*two_byte.*pq and a number.*got"):
        parse_form(text)
