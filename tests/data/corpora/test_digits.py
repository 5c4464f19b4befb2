import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.corpora import digits
from espnet_tutornet.data.corpora.digits import (
    ARCHIVE,
    DONE,
    SAVED_AS,
    SPLITS,
    checksum,
    make_digits,
)

NAMES = [split.name for split in SPLITS]
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def few(monkeypatch):
    """Let a split have a few utterances; they are the first of the whole one."""
    small = [replace(split, utterances=6) for split in SPLITS]
    monkeypatch.setattr(digits, "SPLITS", small)


@pytest.fixture
def downloads(fsdd_archive, tmp_path):
    """A directory with the archive."""
    (tmp_path / "downloads").mkdir()
    shutil.copy(fsdd_archive, tmp_path / "downloads" / SAVED_AS)
    return tmp_path / "downloads"


def samples_of(path):
    assert soundfile.info(path).subtype == "PCM_16"
    return soundfile.read(path, dtype="int16")[0]


def files_of(corpus):
    return {p.relative_to(corpus) for p in corpus.glob("*/*/*/*")}


def assert_begins_as(built, whole):
    """Each utterance of ``built`` is in ``whole``, sample by sample."""
    for path in files_of(built):
        if path.suffix == ".txt":
            assert (whole / path).read_text().startswith((built / path).read_text())
        else:
            same = np.array_equal(samples_of(built / path), samples_of(whole / path))
            assert same, path


@pytest.mark.integration
def test_the_whole_corpus_is_that_of_the_results(
    serve, fsdd_archive, digits_corpus, tmp_path
):
    (tmp_path / "site" / ARCHIVE).parent.mkdir(parents=True)
    (tmp_path / "site" / ARCHIVE).symlink_to(fsdd_archive)
    url = serve(tmp_path / "site")
    assert make_digits(tmp_path / "digits", tmp_path / "downloads", url) == NAMES
    assert files_of(tmp_path / "digits") == files_of(digits_corpus)
    assert_begins_as(tmp_path / "digits", digits_corpus)
    assert {path.name for path in (tmp_path / "digits").iterdir()} == {*NAMES, DONE}
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == [SAVED_AS]


def test_the_first_utterances_are_those_of_the_whole(
    few, downloads, digits_corpus, tmp_path
):
    """An archive that was fetched by other means needs no network."""
    assert make_digits(tmp_path / "digits", downloads, NOWHERE) == NAMES
    assert len(files_of(tmp_path / "digits")) == 4 * 6 + 3 * 4 + 1
    assert_begins_as(tmp_path / "digits", digits_corpus)
    assert make_digits(tmp_path / "digits", downloads / "gone", NOWHERE) == []


def test_what_was_half_built_is_finished(few, downloads, tmp_path, monkeypatch):
    write, corpus = digits.write_split, tmp_path / "digits"

    def fail_at_test_clean(out_dir, split, recordings):
        write(out_dir, split, recordings)
        if split.name == "test-clean":
            raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(digits, "write_split", fail_at_test_clean)
        with pytest.raises(OSError, match="the disk is full"):
            make_digits(corpus, downloads, NOWHERE)
    assert {path.name for path in corpus.iterdir()} == {"train-clean", "dev-clean"}
    kept = {path: (corpus / path).stat().st_mtime_ns for path in files_of(corpus)}
    assert make_digits(corpus, downloads, NOWHERE) == ["test-clean", "test-other"]
    assert (corpus / DONE).exists()
    assert kept == {path: (corpus / path).stat().st_mtime_ns for path in kept}


def repack(archive, target, change=lambda name, data: data):
    """Pack the recordings in another order, without compression."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for name in reversed(old.namelist()):
            if name.endswith(".wav"):
                new.writestr(name, change(name, old.read(name)))


def test_an_archive_packed_anew_is_the_same(few, fsdd_archive, tmp_path):
    """GitHub's archives are not stable byte for byte."""
    repack(fsdd_archive, tmp_path / SAVED_AS)
    assert make_digits(tmp_path / "digits", tmp_path, NOWHERE) == NAMES


def change_a_sample(name, data):
    return data[:-1] + b"?" if name.endswith("/7_theo_3.wav") else data


def test_other_recordings_are_refused_and_removed(few, fsdd_archive, tmp_path):
    repack(fsdd_archive, tmp_path / SAVED_AS, change_a_sample)
    with pytest.raises(RuntimeError, match="expected recordings of sha256 a53bdbe8"):
        make_digits(tmp_path / "digits", tmp_path, NOWHERE)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_refused_and_removed(few, tmp_path):
    (tmp_path / SAVED_AS).write_text("<html>please log in</html>")
    with pytest.raises(RuntimeError, match="cannot be read .*download it anew"):
        make_digits(tmp_path / "digits", tmp_path, NOWHERE)
    assert list(tmp_path.iterdir()) == []


def test_without_network_the_message_says_what_to_fetch(tmp_path):
    want = f"cannot download {NOWHERE}/{ARCHIVE}.*save it as {tmp_path}/{SAVED_AS} and"
    with pytest.raises(RuntimeError, match=want):
        digits.bring_recordings(tmp_path, NOWHERE, pause=0.0)


def test_checksum_sees_names_and_contents_but_no_order():
    found = checksum({"b": b"2", "a": b"1"})
    assert found == checksum({"a": b"1", "b": b"2"})
    others = [{"a": b"1"}, {"a": b"2", "b": b"1"}, {"a": b"1b", "": b"2"}]
    assert found not in [checksum(other) for other in others]
