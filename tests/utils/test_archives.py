import hashlib
from collections import namedtuple

import pytest

from espnet_tutornet.utils import archives
from espnet_tutornet.utils.archives import (
    CORPORA,
    Archive,
    bytes_to_download,
    check_archive,
    check_disk,
    describe_plan,
    missing_archives,
)

TEN = Archive("ten", 31, 10, hashlib.md5(b"0123456789").hexdigest())


def test_corpora_table_is_consistent():
    everything = {a for corpus in CORPORA.values() for a in corpus}
    assert len({a.split for a in everything}) == len(everything) == 9
    for archive in everything:
        assert len(archive.md5) == 32 and int(archive.md5, 16)
        assert archive.resource == (31 if archive.split[-2:] in ("-5", "-2") else 12)
    # 30.6 + 23.0 + 6.4 + 1.3 GB, and a word of caution against a slip of a digit
    sizes = sum(archive.size for archive in CORPORA["librispeech_960"])
    assert sizes == pytest.approx(61.4e9, rel=0.001)


def test_url_has_one_slash_between_parts():
    assert TEN.url("http://host/res/") == "http://host/res/31/ten.tar.gz"
    assert TEN.url("http://host/res") == "http://host/res/31/ten.tar.gz"


def test_bytes_to_download_counts_what_is_there(tmp_path):
    assert bytes_to_download([TEN], tmp_path) == 10
    (tmp_path / "ten.tar.gz.part").write_bytes(b"012")
    assert bytes_to_download([TEN], tmp_path) == 7
    (tmp_path / "ten.tar.gz").write_bytes(b"0123456789")
    assert bytes_to_download([TEN], tmp_path) == 0


def test_missing_archives_skips_extracted_splits(tmp_path):
    other = Archive("other", 12, 1, "0" * 32)
    (tmp_path / "LibriSpeech" / "ten").mkdir(parents=True)
    assert missing_archives([TEN, other], tmp_path) == (other,)


def test_describe_plan_names_url_size_time_and_disk(tmp_path):
    big = Archive("big", 12, 6_000_000_000, "0" * 32)
    text = describe_plan([big], tmp_path, "http://host")
    assert "http://host/12/big.tar.gz  6.00 GB" in text
    assert "about 10 min at 10 MB/s" in text  # 6e9 / 10e6 / 60
    assert "12.30 GB" in text  # 6 + 6 * 1.05


def test_check_disk_refuses_a_small_disk(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: usage(20))
    with pytest.raises(RuntimeError, match="too small.*smaller corpus"):
        check_disk([TEN], tmp_path)  # 10 + 10.5 > 20
    (tmp_path / "ten.tar.gz.part").write_bytes(b"0")
    check_disk([TEN], tmp_path)  # 9 + 10.5 <= 20


def test_check_archive_accepts_the_right_file(tmp_path):
    path = tmp_path / "ten.tar.gz"
    path.write_bytes(b"0123456789")
    check_archive(path, TEN)
    assert path.exists()


@pytest.mark.parametrize(
    "data, problem",
    [(b"012345678", "expected 10 bytes, got 9"), (b"0123456780", "expected md5 781e")],
)
def test_check_archive_removes_a_damaged_file(tmp_path, data, problem):
    path = tmp_path / "ten.tar.gz"
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match=f"ten.tar.gz was damaged.*{problem}"):
        check_archive(path, TEN)
    assert not path.exists()
