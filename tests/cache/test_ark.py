import subprocess

import numpy as np
import pytest

from espnet_tutornet.cache import ark


@pytest.fixture
def floats():
    return np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)


@pytest.fixture
def integers():
    return np.random.default_rng(0).integers(0, 256, size=(30, 8))


@pytest.mark.parametrize("method", [ark.ONE_BYTE_INTEGER, ark.TWO_BYTE_INTEGER])
def test_whole_numbers_come_back_exactly(tmp_path, integers, method):
    utterances = [("utt1", integers), ("ü2", integers[:3])]
    offsets = ark.write_ark(tmp_path / "a.ark", utterances, method)
    for utt_id, matrix in utterances:
        read = ark.read_matrix(tmp_path / "a.ark", offsets[utt_id])
        assert read.dtype == np.float32
        assert np.array_equal(np.rint(read), matrix)


@pytest.mark.parametrize(
    "method, steps", [(ark.ONE_BYTE_AUTO, 255), (ark.TWO_BYTE_AUTO, 65535)]
)
def test_real_numbers_come_back_to_half_a_step(tmp_path, floats, method, steps):
    offsets = ark.write_ark(tmp_path / "a.ark", [("utt1", floats)], method)
    read = ark.read_matrix(tmp_path / "a.ark", offsets["utt1"])
    step = (floats.max() - floats.min()) / steps
    assert np.abs(read - floats).max() <= 0.51 * step


def test_the_file_is_kaldis(tmp_path, integers):
    ark.write_ark(tmp_path / "a.ark", [("u", integers)], ark.ONE_BYTE_INTEGER)
    content = (tmp_path / "a.ark").read_bytes()
    # utterance, binary marker, the name of Kaldi's one-byte matrix, then float32 least
    # and range, int32 rows and columns, and the values row by row
    assert content[:8] == b"u \0BCM3 "
    assert np.frombuffer(content[8:16], "<f4").tolist() == [0.0, 255.0]
    assert np.frombuffer(content[16:24], "<i4").tolist() == [30, 8]
    assert np.array_equal(
        np.frombuffer(content[24:], np.uint8).reshape(30, 8), integers
    )


def test_no_other_module_imports_the_library():
    found = subprocess.run(
        ["grep", "-rlE", "^ *(import|from) (kaldiio|omniio)", "espnet_tutornet"],
        cwd=ark.__file__.rsplit("/espnet_tutornet/", 1)[0],
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == ["espnet_tutornet/cache/ark.py"]
