import pytest

from espnet_tutornet.data.fingerprint import (
    check_fingerprint,
    fingerprint_data,
    hash_corpus,
)


@pytest.fixture
def datadir(tmp_path):
    for name in ("dev", "train"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        (folder / "text").write_text("u1 ONE\nu2 TWO\n")
        (folder / "utt2num_samples").write_text("u1 8000\nu2 9000\n")
        (folder / "wav.scp").write_text("u1 a.wav\nu2 b.wav\n")
    return tmp_path / "data"


@pytest.fixture
def record(tmp_path, datadir):
    path = tmp_path / "out" / "corpora.json"
    check_fingerprint(path, "key", fingerprint_data(datadir))
    return path


def test_the_same_data_elsewhere_pass(datadir, record, tmp_path):
    (datadir / "dev/wav.scp").write_text("u1 /elsewhere/a.flac\nu2 b.wav\n")
    check_fingerprint(record, "key", fingerprint_data(datadir.rename(tmp_path / "d")))


@pytest.mark.parametrize(
    "file, text, message",
    [
        ("text", "u1 ONE\nu2 TOO\n", "dev has other transcripts"),
        ("utt2num_samples", "u1 8000\nu2 9001\n", "dev has other lengths"),
        ("utt2num_samples", "u1 8000\nu3 9000\n", "dev has other utterances and len"),
        ("utt2num_samples", "u1 8000\n", "dev has 1 utterances, not 2"),
    ],
)
def test_another_version_is_refused_and_named(datadir, record, file, text, message):
    (datadir / "dev" / file).write_text(text)
    before = record.read_text()
    with pytest.raises(RuntimeError, match=f"{message}.*give another --out_dir"):
        check_fingerprint(record, "key", fingerprint_data(datadir))
    assert record.read_text() == before
    check_fingerprint(record, "other options", fingerprint_data(datadir))


def test_sets_that_come_or_go_are_named(datadir, record):
    (datadir / "dev").rename(datadir / "test")
    with pytest.raises(RuntimeError, match="dev is gone; test is new"):
        check_fingerprint(record, "key", fingerprint_data(datadir))


def test_no_data_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run stage 1"):
        fingerprint_data(tmp_path)


def test_the_hash_of_a_corpus_follows_names_sizes_and_transcripts(tmp_path):
    chapter = tmp_path / "corpus/train-clean/1/2"
    chapter.mkdir(parents=True)
    (chapter / "1-2.trans.txt").write_text("1-2-0 ONE\n")
    (chapter / "1-2-0.flac").write_bytes(b"audio")
    hashes = [hash_corpus(tmp_path / "corpus")]
    hashes.append(hash_corpus((tmp_path / "corpus").rename(tmp_path / "moved")))
    assert hashes[0] == hashes[1]
    chapter = tmp_path / "moved/train-clean/1/2"
    (chapter / "1-2.trans.txt").write_text("1-2-0 TWO\n")
    hashes.append(hash_corpus(tmp_path / "moved"))
    (chapter / "1-2-0.flac").write_bytes(b"longer audio")
    hashes.append(hash_corpus(tmp_path / "moved"))
    (chapter / "1-2-0.flac").rename(chapter / "1-2-1.flac")
    hashes.append(hash_corpus(tmp_path / "moved"))
    assert len(set(hashes)) == 4


def test_a_corpus_made_of_links_hashes_as_what_they_lead_to(tmp_path):
    chapter = tmp_path / "corpus/train-clean/1/2"
    chapter.mkdir(parents=True)
    (chapter / "1-2.trans.txt").write_text("1-2-0 ONE\n")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/train-clean").symlink_to(tmp_path / "corpus/train-clean")
    before = hash_corpus(tmp_path / "linked")
    assert before == hash_corpus(tmp_path / "corpus")
    (chapter / "1-2.trans.txt").write_text("1-2-0 TWO\n")
    assert hash_corpus(tmp_path / "linked") != before


def test_hidden_files_are_no_part_of_a_corpus(tmp_path):
    """What marks a corpus as made leaves its records valid."""
    (tmp_path / "a.flac").write_text("audio")
    before = hash_corpus(tmp_path)
    (tmp_path / ".done").touch()
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work/b.flac").write_text("audio")
    assert hash_corpus(tmp_path) == before
    (tmp_path / "b.flac").write_text("audio")
    assert hash_corpus(tmp_path) != before
