import pytest

from espnet_tutornet.data.data_dir import (
    Utterance,
    check_replaceable,
    raise_problems,
    read_data_dir,
    read_two_columns,
    write_data_dir,
)

A = Utterance("1-2-0000", "1", "audio/a.flac", 8000, "ONE TWO")
B = Utterance("10-2-0000", "10", "audio/b c.flac", 4000, "THREE")
C = Utterance("1-2-0001", "1", "/abs/c.flac", 1, "É")


@pytest.fixture
def data_dir(tmp_path):
    write_data_dir(tmp_path / "d", [A, C, B])
    return tmp_path / "d"


def _edit(path, old, new):
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")


def test_write_then_read_gives_the_same_sorted_in_byte_order(tmp_path):
    lower = Utterance("a-1", "a", "w", 2, "X")
    upper = Utterance("Z-1", "Z", "w", 2, "X")
    accent = Utterance("é-1", "é", "w", 2, "X")
    write_data_dir(tmp_path / "d", [accent, lower, B, upper, C, A])
    utterances = read_data_dir(tmp_path / "d")
    assert utterances == [A, C, B, upper, lower, accent]
    ids = [utt.utt_id.encode() for utt in utterances]
    assert ids == sorted(ids)


def test_files_hold_kaldi_lines(data_dir):
    lines = {path.name: path.read_text(encoding="utf-8") for path in data_dir.iterdir()}
    assert lines == {
        "wav.scp": "1-2-0000 audio/a.flac\n1-2-0001 /abs/c.flac\n"
        "10-2-0000 audio/b c.flac\n",
        "text": "1-2-0000 ONE TWO\n1-2-0001 É\n10-2-0000 THREE\n",
        "utt2spk": "1-2-0000 1\n1-2-0001 1\n10-2-0000 10\n",
        "utt2num_samples": "1-2-0000 8000\n1-2-0001 1\n10-2-0000 4000\n",
        "spk2utt": "1 1-2-0000 1-2-0001\n10 10-2-0000\n",
    }


def test_extra_files_are_written_and_old_ones_go(data_dir):
    write_data_dir(data_dir, [A], {"removed.tsv": "x\n"})
    assert (data_dir / "removed.tsv").read_text() == "x\n"
    write_data_dir(data_dir, [A])
    assert not (data_dir / "removed.tsv").exists()


def test_transcripts_may_be_missing_where_that_is_said(data_dir):
    mute = Utterance("1-2-0000", "1", "audio/a.flac", 8000, "")
    with pytest.raises(ValueError, match="empty transcripts"):
        write_data_dir(data_dir, [mute, B])
    write_data_dir(data_dir, [mute, B], needs_text=False)
    assert (data_dir / "text").read_text() == "1-2-0000\n10-2-0000 THREE\n"
    assert read_data_dir(data_dir, needs_text=False) == [mute, B]
    with pytest.raises(ValueError, match="text: empty transcripts.*\n  1-2-0000$"):
        read_data_dir(data_dir)
    (data_dir / "text").unlink()
    utterances = read_data_dir(data_dir, needs_text=False)
    assert [utt.text for utt in utterances] == ["", ""]


@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk", "utt2num_samples"])
def test_missing_file_is_named(data_dir, name):
    (data_dir / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"d/{name}: no such file"):
        read_data_dir(data_dir)


@pytest.mark.parametrize("name", ["text", "utt2spk", "utt2num_samples"])
def test_missing_and_unknown_ids_are_named(data_dir, name):
    _edit(data_dir / name, "10-2-0000", "10-2-0009")
    with pytest.raises(ValueError, match=rf"{name}: ids of wav.scp .*\n  10-2-0000$"):
        read_data_dir(data_dir)
    _edit(data_dir / name, "10-2-0009", "10-2-0000 1\n10-2-0009")
    with pytest.raises(ValueError, match=rf"{name}: ids are not in .*\n  10-2-0009$"):
        read_data_dir(data_dir)


def test_duplicated_id_names_id_and_file(data_dir):
    _edit(data_dir / "text", "1-2-0001", "1-2-0000")
    with pytest.raises(ValueError, match="d/text: id 1-2-0000 comes twice"):
        read_data_dir(data_dir)


def test_unsorted_file_is_refused(data_dir):
    lines = (data_dir / "utt2spk").read_text().splitlines(keepends=True)
    (data_dir / "utt2spk").write_text("".join(reversed(lines)))
    with pytest.raises(ValueError, match=r"utt2spk: is not sorted.*\n  1-2-0001\n"):
        read_data_dir(data_dir)


def test_pipe_is_refused(data_dir):
    _edit(data_dir / "wav.scp", "audio/a.flac", "sox a.flac -t wav - |")
    with pytest.raises(
        ValueError, match="pipes .* dump the audio .*first:\n  1-2-0000"
    ):
        read_data_dir(data_dir)


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many"])
def test_bad_number_of_samples_is_named(data_dir, value):
    _edit(data_dir / "utt2num_samples", "4000", value)
    with pytest.raises(ValueError, match=f"10-2-0000: got '{value}'"):
        read_data_dir(data_dir)


def test_empty_values_are_named(data_dir):
    _edit(data_dir / "utt2spk", "10-2-0000 10", "10-2-0000")
    with pytest.raises(ValueError, match="utt2spk: no value .*\n  10-2-0000"):
        read_data_dir(data_dir)


def test_empty_transcripts_name_five(tmp_path, data_dir):
    _edit(data_dir / "text", " THREE", " ")
    with pytest.raises(ValueError, match="d/text: empty transcripts.*\n  10-2-0000"):
        read_data_dir(data_dir)
    empty = [Utterance(f"u{i}", "u", "w", 1, "") for i in range(7)]
    with pytest.raises(ValueError, match="  u0\n  u1\n  u2\n  u3\n  u4\n  and 2 more$"):
        write_data_dir(tmp_path / "e", empty)
    assert not (tmp_path / "e").exists()


def test_write_refuses_duplicates_and_nothing_and_keeps_the_old(data_dir):
    with pytest.raises(ValueError, match="ids come twice:\n  1-2-0000"):
        write_data_dir(data_dir, [A, B, A])
    with pytest.raises(ValueError, match="no utterance to write"):
        write_data_dir(data_dir, [])
    assert read_data_dir(data_dir) == [A, C, B]


def test_other_directories_are_never_replaced(tmp_path):
    (tmp_path / "home").mkdir()
    check_replaceable(tmp_path / "home", "wav.scp")
    (tmp_path / "home/thesis").write_text("years")
    with pytest.raises(ValueError, match="home: exists and holds no wav.scp"):
        write_data_dir(tmp_path / "home", [A])
    assert (tmp_path / "home/thesis").read_text() == "years"
    with pytest.raises(ValueError, match="thesis: is a file"):
        write_data_dir(tmp_path / "home/thesis", [A])


def test_empty_file_and_blank_line_and_encoding(tmp_path, data_dir):
    (data_dir / "wav.scp").write_text("")
    with pytest.raises(ValueError, match="wav.scp: is empty"):
        read_data_dir(data_dir)
    (tmp_path / "text").write_text("a A\n\nb B\n")
    with pytest.raises(ValueError, match="text: line 2 is blank"):
        read_two_columns(tmp_path / "text")
    (tmp_path / "text").write_bytes(b"a \xff\n")
    with pytest.raises(ValueError, match="text: is not UTF-8"):
        read_two_columns(tmp_path / "text")


def test_windows_lines_and_byte_order_mark_are_read(tmp_path):
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa  A B\r\nb\r\n")
    assert read_two_columns(tmp_path / "text") == {"a": "A B", "b": ""}


def test_no_problems_raise_nothing():
    raise_problems("title", [])
