import json
import shutil
from importlib.metadata import PackageNotFoundError

import pytest
import soundfile

from espnet_tutornet.data.mini import corpus as mini_corpus
from espnet_tutornet.data.mini.corpus import MARKER, make_mini_corpus
from espnet_tutornet.data.mini.plan import SPLITS, plan_corpus

SCALE = 0.005  # the least: an utterance a speaker
NAMES = [split.name for split in SPLITS]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("hibari")
    out_dir = tmp_path_factory.mktemp("mini")
    assert make_mini_corpus(out_dir, SCALE, seed=1) == NAMES
    return out_dir


@pytest.fixture
def corpus(made, tmp_path):
    """A copy of the corpus that the test may spoil."""
    return shutil.copytree(made, tmp_path / "mini")


def audio_bytes(split_dir):
    return {p.name: soundfile.read(p)[0].tobytes() for p in split_dir.rglob("*.flac")}


def test_layout_is_that_of_librispeech(made):
    for name, plan in plan_corpus(SCALE, seed=1).items():
        wanted = {u.utt_id: u.text.upper() for u in plan}
        found = {}
        for path in (made / name).glob("*/*/*.trans.txt"):
            speaker, chapter = path.parent.parent.name, path.parent.name
            assert path.name == f"{speaker}-{chapter}.trans.txt"
            for line in path.read_text().splitlines():
                utt_id, text = line.split(" ", 1)
                assert utt_id.startswith(f"{speaker}-{chapter}-")
                assert (path.parent / f"{utt_id}.flac").exists()
                found[utt_id] = text
        assert found == wanted
        assert len(list((made / name).rglob("*.flac"))) == len(wanted)
    assert {path.name for path in made.iterdir()} == {*NAMES, MARKER}


def test_audio_is_short_8_khz_16_bit_neither_silent_nor_clipped(made):
    paths = sorted(made.rglob("*.flac"))
    for path in paths:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (8000, 1)
        assert (info.format, info.subtype) == ("FLAC", "PCM_16")
        assert 0.7 < info.duration < 3.5
        samples, _ = soundfile.read(path)
        assert 0.05 < abs(samples).max() <= 0.951
        assert 0.02 < samples.std() < 0.2  # -34 to -14 dB
    assert len(paths) == 34


def test_same_seed_gives_the_same_samples_with_any_number_of_processes(
    made, tmp_path, monkeypatch
):
    monkeypatch.setattr(mini_corpus, "SPLITS", SPLITS[3:])
    assert make_mini_corpus(tmp_path, SCALE, seed=1, nj=2) == ["test-other"]
    want = audio_bytes(made / "test-other")
    assert len(want) == 4 and audio_bytes(tmp_path / "test-other") == want


def test_rerun_makes_only_what_is_missing(corpus):
    before = audio_bytes(corpus / "test-other")
    kept = {path: path.stat().st_mtime_ns for path in corpus.glob("dev-clean/**/*")}
    shutil.rmtree(corpus / "test-other")
    assert make_mini_corpus(corpus, SCALE, seed=1) == ["test-other"]
    assert audio_bytes(corpus / "test-other") == before
    assert kept == {p: p.stat().st_mtime_ns for p in corpus.glob("dev-clean/**/*")}
    assert make_mini_corpus(corpus, SCALE, seed=1) == []


def test_failure_leaves_no_half_split(tmp_path, monkeypatch):
    def fail(path, *args, **kwargs):
        raise OSError("disk full")

    pytest.importorskip("hibari")
    monkeypatch.setattr(mini_corpus.soundfile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        make_mini_corpus(tmp_path, SCALE)
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


@pytest.mark.parametrize(
    "scale, seed, message",
    [(SCALE, 2, "with seed 1, but 2 is wanted"), (0.006, 1, "hours_scale 0.005")],
)
def test_other_settings_in_the_same_directory_raise(corpus, scale, seed, message):
    with pytest.raises(RuntimeError, match=message + ".*or delete this one"):
        make_mini_corpus(corpus, scale, seed)


def test_other_versions_matter_only_while_a_split_is_missing(corpus):
    marker = corpus / MARKER
    settings = json.loads(marker.read_text())
    settings["versions"]["hibari-tts"] = "0.0.1"
    marker.write_text(json.dumps(settings))
    assert make_mini_corpus(corpus, SCALE, seed=1) == []
    shutil.rmtree(corpus / "dev-clean")
    with pytest.raises(RuntimeError, match="made with versions .*0.0.1"):
        make_mini_corpus(corpus, SCALE, seed=1)


def test_directory_of_another_corpus_is_refused(tmp_path):
    pytest.importorskip("hibari")
    (tmp_path / "dev-clean").mkdir()
    with pytest.raises(RuntimeError, match=f"holds dev-clean but no {MARKER}"):
        make_mini_corpus(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dev-clean"]


def test_missing_library_is_named_before_anything_is_written(tmp_path, monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mini_corpus, "version", version)
    with pytest.raises(
        RuntimeError, match=r"hibari-tts is not installed.*tutornet\[mini\]"
    ):
        make_mini_corpus(tmp_path / "mini")
    assert not (tmp_path / "mini").exists()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_scale_must_be_positive(tmp_path, scale):
    with pytest.raises(ValueError, match="hours_scale must be greater than 0"):
        make_mini_corpus(tmp_path, scale)


def test_nj_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="nj must be at least 1, got 0"):
        make_mini_corpus(tmp_path, nj=0)
