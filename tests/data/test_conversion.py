import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.conversion import Target, convert, examine_file, name_file
from espnet_tutornet.data.data_dir import RawUtterance
from espnet_tutornet.data.recordings import open_recording

FS = 8000
NOISE = np.random.default_rng(0).integers(-32768, 32767, (FS, 2)).astype(np.int16)


@pytest.fixture
def run(tmp_path):
    """Return run(samples, fs, channel, ...): what is written, and its rate."""

    def convert_it(
        samples=NOISE, fs=FS, channel="mix", suffix="wav", subtype="PCM_16", **values
    ):
        path = tmp_path / f"in.{suffix}"
        soundfile.write(path, samples, FS, subtype=subtype)
        utt = RawUtterance("a", "a", "A", str(path), "a", **values)
        out = tmp_path / "out.flac"
        with open_recording(utt.audio) as recording:
            found = convert(recording, utt, Target(fs, False, channel), out)
        written, rate = soundfile.read(out, dtype="int16")
        assert found == (len(written), out.stat().st_size)
        assert soundfile.info(str(out)).subtype == "PCM_16"
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
            (path.name, out.name)
        )
        return written, rate

    return convert_it


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_cut_of_one_channel_is_exact(run, suffix):
    written, rate = run(suffix=suffix, channel="1", start=0.25, end=0.5)
    assert rate == FS and np.array_equal(written, NOISE[2000:4000, 1])


def test_a_mix_is_the_mean(run):
    written, _ = run()
    assert np.abs(written - NOISE.astype(float).mean(axis=1)).max() <= 1


@pytest.mark.parametrize("fs", [4000, 16000])
def test_another_rate_keeps_what_is_heard(run, fs):
    tone = np.sin(2 * np.pi * 440 * np.arange(FS) / FS) * 0.5
    written, rate = run(tone, fs)
    expected = np.sin(2 * np.pi * 440 * np.arange(fs) / fs) * 0.5 * 32768
    assert rate == fs and len(written) == fs
    assert np.abs(written - expected)[200:-200].max() < 40


@pytest.mark.parametrize("end", [1.04, 1.4, 0.96])
def test_a_rounded_end_is_that_of_the_recording(run, end):
    whole = end != 0.96
    assert len(run(NOISE[:, 0], end=end)[0]) == FS
    assert len(run(NOISE[:, 0], start=0.5, end=end)[0]) == (4000 if whole else 3680)


@pytest.mark.parametrize(
    "values, message",
    [
        (
            dict(end=1.6),
            "a: from 0 s to 1.6 s of .*in.wav, which ends at 1.000 s. Mend",
        ),
        (dict(start=1.0), "a: from 1 s to 1 s of .*, which ends at 1.000 s"),
        (dict(start=0.5, end=0.50001), "which ends at"),
        (dict(channel="2"), "in.wav: channel 2 is not there, expected one of 2, count"),
        (dict(samples=NOISE[:, 0], channel="1"), "channel 1 .*, expected one of 1"),
        (dict(samples=NOISE[:0, 0]), "in.wav: holds no samples. Fetch it again"),
        (
            dict(samples=np.full(9, np.nan), subtype="FLOAT", start=0.0001),
            "8 of 8 samples are NaN or infinite",
        ),
    ],
)
def test_what_cannot_be_converted_is_named(run, values, message):
    with pytest.raises(ValueError, match=message):
        run(**values)


def _examine(path, target, **values):
    utt = RawUtterance("a", "a", "A", str(path), "a", **values)
    with open_recording(str(path)) as recording:
        return examine_file(recording, utt, target)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff"])
def test_a_file_that_needs_no_change_stays(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, NOISE[:, 0], FS)
    assert _examine(path, Target(FS))
    assert _examine(path, Target(FS, True), end=1.04)
    assert _examine(path, Target(FS, False, "0"), channel="1")
    assert not _examine(path, Target(16000))
    assert not _examine(path, Target(FS), end=0.5)
    assert not _examine(path, Target(FS), start=0.5)


def test_mp3_whose_header_guesses_the_length_is_written_anew(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, NOISE[:, 0] / 32768, FS)
    assert not _examine(path, Target(FS))
    utt = RawUtterance("a", "a", "A", str(path), "a")
    with open_recording(str(path)) as recording:
        length, _ = convert(recording, utt, Target(FS), tmp_path / "a.flac")
    assert length == soundfile.info(str(tmp_path / "a.flac")).frames > 0.9 * FS


def test_two_channels_are_not_kept(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, FS)
    assert not _examine(path, Target(FS)) and not _examine(path, Target(FS, False, "0"))


def test_a_side_by_name_is_picked_where_there_are_sides(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, FS)
    utt = RawUtterance("a", "a", "A", str(path), "a", channel="1")
    with open_recording(str(path)) as recording:
        convert(recording, utt, Target(FS), tmp_path / "a.flac")
    written, _ = soundfile.read(tmp_path / "a.flac", dtype="int16")
    assert np.array_equal(written, NOISE[:, 1])


def test_another_rate_is_refused_where_none_is_asked_for(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE[:, 0], FS)
    want = "a.wav: sampling rate 8000 Hz, expected 16000 Hz, that of the first file. "
    with pytest.raises(ValueError, match=want + "Pass --fs 16000, which resamples"):
        _examine(path, Target(16000, True))


def test_ids_become_names_of_files():
    assert name_file("a/b") != name_file("a_b") and "/" not in name_file("../a/b")
    assert name_file("s-1_x.2") == "s-1_x.2.flac"
