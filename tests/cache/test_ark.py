import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from espnet_tutornet.cache import ark

ROOT = Path(ark.__file__).parents[2]
METHODS = [
    *(ark.ONE_BYTE_AUTO, ark.ONE_BYTE_INTEGER),
    *(ark.TWO_BYTE_AUTO, ark.TWO_BYTE_INTEGER),
]


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


def library_of(python):
    """Return the library that ark.py takes there, or None."""
    code = "from espnet_tutornet.cache import ark; print(ark.kaldi_io.__name__)"
    done = run(python, code)
    return done.stdout.strip().split(".")[0] if done.returncode == 0 else None


def run(python, code, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(python), "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def other_python():
    """Return an interpreter of the checkout with the other of the two libraries."""
    mine = library_of(sys.executable)
    assert mine in ("kaldiio", "omniio")
    for python in sorted(ROOT.glob(".venv-*/bin/python")):
        if library_of(python) in {"kaldiio", "omniio"} - {mine}:
            return python
    pytest.skip(f"no environment with another library than {mine}")


WRITE_AND_READ = """
import sys
import numpy as np
from espnet_tutornet.cache import ark
matrix, theirs, mine, read = sys.argv[1:5]
ark.write_ark(mine, [("utt", np.load(matrix))], int(sys.argv[5]))
np.save(read, ark.read_matrix(theirs, 4))
"""


@pytest.mark.parametrize("method", METHODS)
def test_kaldiio_and_omniio_write_the_same_bytes_and_read_each_other_s(
    tmp_path, floats, integers, method, other_python
):
    whole = method in (ark.ONE_BYTE_INTEGER, ark.TWO_BYTE_INTEGER)
    np.save(tmp_path / "matrix.npy", (integers if whole else floats).astype("f4"))
    mine, theirs = tmp_path / "mine.ark", tmp_path / "theirs.ark"
    offsets = ark.write_ark(mine, [("utt", np.load(tmp_path / "matrix.npy"))], method)
    assert offsets == {"utt": 4}
    files = [tmp_path / "matrix.npy", mine, theirs, tmp_path / "read.npy"]
    done = run(other_python, WRITE_AND_READ, *files, method)
    assert done.returncode == 0, done.stderr
    assert mine.read_bytes() == theirs.read_bytes()
    ours = ark.read_matrix(theirs, 4)
    assert np.array_equal(ours, np.load(tmp_path / "read.npy"))
    assert np.array_equal(ours, ark.read_matrix(mine, 4))


def test_no_other_module_imports_the_library():
    found = subprocess.run(
        ["grep", "-rlE", "^ *(import|from) (kaldiio|omniio)", "espnet_tutornet"],
        cwd=ark.__file__.rsplit("/espnet_tutornet/", 1)[0],
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == ["espnet_tutornet/utils/kaldi_io.py"]
