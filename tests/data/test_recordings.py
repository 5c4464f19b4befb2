import io
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.recordings import open_recording, run_command, split_ark
from espnet_tutornet.utils.kaldi_io import kaldi_io

SAMPLES = np.arange(-400, 400, dtype=np.int16)


def _encode(format, samples=SAMPLES, fs=8000):
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, fs, format=format, subtype="PCM_16")
    return encoded.getvalue()


def _read(audio, fs=None):
    recording = open_recording(str(audio), fs)
    samples = recording.read(recording.frames, dtype="float32", always_2d=True)
    recording.close()
    return samples[:, 0] * 32768, recording.samplerate


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a b.wav"
    path.write_bytes(_encode("WAV"))
    return path


@pytest.mark.parametrize(
    "command",
    [
        "cat '{wav}' |",
        "cat '{wav}' | cat - | cat |",
        "cat < '{wav}' | cat |",
        "N=1; cat '{wav}' |",
        "  cat '{wav}' |  ",
    ],
)
def test_what_a_command_prints_is_read(wav, command):
    samples, fs = _read(command.format(wav=wav))
    assert fs == 8000 and np.array_equal(samples, SAMPLES)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_wav_that_was_written_to_a_pipe_has_its_true_length(wav, size):
    whole = wav.read_bytes()
    wav.write_bytes(whole[:40] + struct.pack("<I", size) + whole[44:])
    assert np.array_equal(_read(f"cat '{wav}' |")[0], SAMPLES)


def test_a_plain_command_starts_no_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    bash = tmp_path / "bash"
    bash.write_text("#!/bin/sh\necho shell\n")
    bash.chmod(0o755)
    assert run_command("printf 'a|b' | head -c 2 |") == b"a|"
    assert run_command("printf $HOME |") == b"shell\n"


def test_a_program_that_is_not_read_to_its_end_is_no_failure():
    assert run_command("yes | head -c 4 |") == b"y\ny\n"


@pytest.mark.parametrize(
    "command, message",
    [
        ("ls /nowhere/a.wav |", "ends with status 2, .*cannot access.*Run it by hand"),
        ("ls /nowhere/a.wav | cat |", "ends with status 2, .*cannot access"),
        ("printf x | sh -c 'exit 3' |", "ends with status 3, .*says: nothing"),
        ("sleep 0 && true; false |", "ends with status 1"),
        ("true |", "prints nothing, expected audio; it says: nothing"),
        ("no-such-program a.sph |", "no program no-such-program. Install it"),
        ("cat 'a |", "ends with status [12], .*unexpected EOF"),
        ("printf 'not audio' |", "prints 9 bytes that are no audio with a header"),
    ],
)
def test_a_command_that_gives_no_audio_is_named_with_what_it_says(command, message):
    with pytest.raises(ValueError, match=message) as error:
        open_recording(command)
    assert str(error.value).startswith(command)


def test_commands_get_no_input():
    """One that reads what is typed, as ffmpeg does, would take it from the terminal."""
    code = "from espnet_tutornet.data.recordings import run_command as run; "
    code += "import sys; sys.stdout.buffer.write(run(\"sh -c 'cat; printf end' |\"))"
    done = subprocess.run([sys.executable, "-c", code], input=b"typed", stdout=-1)
    assert done.stdout == b"end"


@pytest.fixture
def ark(tmp_path):
    """Return an archive of all kinds, and the offset of each."""
    kinds = {"RIFF": _encode("WAV"), "fLaC": _encode("FLAC")}
    flac = kinds["fLaC"]
    width = (len(flac).bit_length() + 7) // 8
    length = bytes([width]) + len(flac).to_bytes(width, "little")
    kinds["AUDIO"] = b"AUDIO" + length + flac
    path, offsets = tmp_path / "a.ark", {}
    with path.open("wb") as f:
        for name, content in kinds.items():
            f.write(f"{name} ".encode())
            offsets[name] = f.tell()
            f.write(content)
        matrices = {"floats": SAMPLES / 32768, "whole": SAMPLES, "pair": SAMPLES[:9]}
        matrices["pair"] = np.stack([SAMPLES / 32768, SAMPLES * 0.0], axis=1)
        for name, matrix in matrices.items():
            offsets[name] = f.tell() + len(name) + 1
            kaldi_io.save_ark(f, {name: matrix.astype(np.float32)})
    return path, offsets


@pytest.mark.parametrize("kind", ["RIFF", "fLaC", "AUDIO", "floats", "whole", "pair"])
def test_an_archive_is_read_at_its_offset(ark, kind):
    path, offsets = ark
    samples, fs = _read(f"{path}:{offsets[kind]}", 8000)
    assert fs == 8000 and np.array_equal(samples, SAMPLES)


def test_kaldi_s_library_reads_the_same(ark):
    path, offsets = ark
    for kind in ("RIFF", "AUDIO"):
        fs, samples = kaldi_io.load_mat(f"{path}:{offsets[kind]}")
        assert fs == 8000 and len(samples) == len(SAMPLES)


def test_matrices_need_a_rate(ark):
    path, offsets = ark
    with pytest.raises(ValueError, match="does not tell its sampling rate. Give --fs"):
        open_recording(f"{path}:{offsets['floats']}")


@pytest.mark.parametrize("kind", ["RIFF", "fLaC", "AUDIO", "floats", "pair"])
def test_an_archive_that_is_cut_is_named(ark, tmp_path, kind):
    path, offsets = ark
    cut = tmp_path / "cut.ark"
    cut.write_bytes(path.read_bytes()[: offsets[kind] + 98])  # whole floats
    audio = f"{cut}:{offsets[kind]}"
    with pytest.raises((ValueError, soundfile.SoundFileError)) as error:
        _read(audio, 8000)
    if kind != "fLaC":  # its header is whole: its samples are missed when they are read
        assert audio in str(error.value) and "cut" in str(error.value)


@pytest.mark.parametrize("offset, found", [(3, "found b'F"), (10**6, "found b''")])
def test_an_offset_where_no_audio_is_is_named(ark, offset, found):
    with pytest.raises(ValueError, match="expected WAV, FLAC, or a matrix.*" + found):
        open_recording(f"{ark[0]}:{offset}")


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "bad.ark"
    path.write_bytes(b"a PKL" + b"cos\nsystem\n(S'touch x'\ntR.")
    with pytest.raises(ValueError, match="found b'PKL"):
        open_recording(f"{path}:2", 8000)


def test_features_are_not_taken_for_samples(tmp_path):
    with (tmp_path / "f.ark").open("wb") as f:
        kaldi_io.save_ark(f, {"a": np.full((3, 2), 1.5, np.float32)})
    with pytest.raises(ValueError, match="found 1.5. Is it an archive of features"):
        open_recording(f"{tmp_path}/f.ark:2", 8000)


def test_a_missing_file_and_a_missing_archive_are_named(tmp_path):
    for name in ("a.wav", "a.ark:5"):
        with pytest.raises(ValueError, match=f"{name}: cannot be read"):
            open_recording(f"{tmp_path}/{name}")


def test_a_file_with_a_colon_is_no_archive(tmp_path):
    path = tmp_path / "a:12"
    path.write_bytes(_encode("WAV"))
    assert split_ark(str(path)) is None and split_ark("cat a:12 |") is None
    assert np.array_equal(_read(path)[0], SAMPLES)
