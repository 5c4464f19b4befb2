from espnet_tutornet.data.journal import Entry, Journal


def _entry(utt_id, key="k", size=0, path="a.wav"):
    return Entry(utt_id, key, 8000, 80, size, str(path))


def _write(path, *entries):
    journal = Journal(path)
    for entry in entries:
        journal.add(entry)
    journal.close()


def test_what_was_added_is_found_by_another_process(tmp_path):
    path = tmp_path / "x/journal.tsv"
    _write(path, _entry("a", "old"), _entry("b"), _entry("a", "new"))
    journal = Journal(path)
    assert journal.find("a", "new") == _entry("a", "new")
    assert journal.find("a", "old") is None and journal.find("c", "k") is None


def test_a_line_that_was_cut_by_a_kill_does_not_count_and_spoils_no_other(tmp_path):
    path = tmp_path / "journal.tsv"
    _write(path, _entry("a"), _entry("b", path="long-name.wav"))
    path.write_text(path.read_text()[:-5])
    journal = Journal(path)
    assert journal.find("a", "k") and not journal.find("b", "k")
    journal.add(_entry("c"))
    journal.close()
    journal = Journal(path)
    assert journal.find("a", "k") and journal.find("c", "k")
    assert not journal.find("b", "k")


def test_a_product_that_is_gone_or_of_another_size_is_not_done(tmp_path):
    product = tmp_path / "a.flac"
    product.write_bytes(b"12345")
    _write(tmp_path / "j", _entry("a", size=5, path=product))
    assert Journal(tmp_path / "j").find("a", "k")
    product.write_bytes(b"1234")
    assert not Journal(tmp_path / "j").find("a", "k")
    product.unlink()
    assert not Journal(tmp_path / "j").find("a", "k")


def test_only_what_is_wanted_is_kept(tmp_path):
    path = tmp_path / "j"
    _write(path, _entry("a"), _entry("b"), _entry("c"))
    Journal(path).keep(["b", "c", "d"])
    assert list(Journal(path).entries) == ["b", "c"]
    before = path.stat().st_mtime_ns
    Journal(path).keep(["b", "c"])
    assert path.stat().st_mtime_ns == before
