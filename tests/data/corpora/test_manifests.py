import json

import pytest

from espnet_tutornet.data.corpora.manifests import find_manifest, read_manifest
from espnet_tutornet.data.data_dir import RawUtterance

CV = (
    "client_id\tpath\tsentence_id\tsentence\tage\n"
    'f00\ta.mp3\t9\t"No, he said\t\n'
    "f01\tb.mp3\t8\t Yes  sir \tteens\n"
)


def _touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_common_voice_is_read_as_it_is(tmp_path):
    _touch(tmp_path, "clips/a.mp3", "clips/b.mp3")
    (tmp_path / "train.tsv").write_text(CV)
    clips = tmp_path / "clips"
    assert read_manifest(tmp_path / "train.tsv") == [
        RawUtterance("a", "f00", '"No, he said', f"{clips}/a.mp3", "a"),
        RawUtterance("b", "f01", "Yes sir", f"{clips}/b.mp3", "b"),
    ]


def test_nemo_is_read_as_it_is(tmp_path):
    _touch(tmp_path, "wav/a.wav", "long.wav")
    path = _jsonl(
        tmp_path / "train_manifest.json",
        {"audio_filepath": "wav/a.wav", "text": "one", "duration": 1.5, "speaker": 7},
        {
            "audio_filepath": f"{tmp_path}/long.wav",
            "text": "two",
            "duration": 2.25,
            "offset": 1.1,
        },
        {
            "audio_filepath": f"{tmp_path}/long.wav",
            "text": "three",
            "duration": 1,
            "offset": 0,
        },
    )
    long = tmp_path / "long.wav"
    assert read_manifest(path) == [
        RawUtterance("a", "7", "one", f"{tmp_path}/wav/a.wav", "a", 0.0, 1.5),
        RawUtterance(
            *("long-0001100-0003350", "long-0001100-0003350", "two", str(long), "long"),
            *(1.1, 3.35),
        ),
        RawUtterance(
            *("long-0000000-0001000", "long-0000000-0001000", "three", str(long)),
            *("long", 0.0, 1.0),
        ),
    ]


def test_ids_that_are_given_are_kept(tmp_path):
    _touch(tmp_path, "a.wav")
    rows = "path\ttext\tid\tspeaker\na.wav\tone\tmy id\tmy name\n"
    (tmp_path / "t.tsv").write_text(rows)
    (utt,) = read_manifest(tmp_path / "t.tsv")
    assert (utt.utt_id, utt.speaker, utt.recording) == ("my_id", "my_name", "a")


def test_files_of_one_name_are_told_apart_by_their_directories(tmp_path):
    _touch(tmp_path, "s1/1.wav", "s2/1.wav", "s 3/2.wav")
    path = _jsonl(
        tmp_path / "t.jsonl",
        *({"path": f"{n}.wav", "text": "x"} for n in ("s1/1", "s2/1", "s 3/2")),
    )
    ids = [utt.utt_id for utt in read_manifest(path)]
    assert ids == ["s1-1", "s2-1", "s_3-2"]


def test_rows_without_text_are_counted_and_named(tmp_path):
    _touch(tmp_path, *(f"{n}.wav" for n in range(8)))
    rows = [{"path": f"{n}.wav", "text": " " if n else "x"} for n in range(8)]
    path = _jsonl(tmp_path / "t.jsonl", *rows)
    with pytest.raises(ValueError, match="t.jsonl: 7 of 8 rows have no text") as error:
        read_manifest(path)
    assert "  5.wav\n  and 2 more" in str(error.value)
    assert [utt.text for utt in read_manifest(path, needs_text=False)] == [""] * 8


def test_rows_whose_audio_is_not_there_are_counted_and_named(tmp_path):
    _touch(tmp_path, "0.wav")
    rows = [{"audio_filepath": f"{n}.wav", "text": "x"} for n in range(8)]
    path = _jsonl(tmp_path / "t.jsonl", *rows, {"text": "x"})
    with pytest.raises(ValueError, match="8 of 9 rows have audio that is not") as error:
        read_manifest(path)
    assert "  1.wav\n" in str(error.value) and "and 3 more" in str(error.value)


@pytest.mark.parametrize(
    "row",
    [
        dict(offset=-1, duration=1),
        dict(offset="x", duration=1),
        dict(duration=0),
        dict(duration="nan"),
        dict(duration="inf"),
    ],
)
def test_times_that_cannot_be_are_named(tmp_path, row):
    _touch(tmp_path, "a.wav")
    path = _jsonl(tmp_path / "t.jsonl", {"path": "a.wav", "text": "x", **row})
    with pytest.raises(ValueError, match="expected seconds, 0 or more.*\n  row 1: st"):
        read_manifest(path)


def test_ids_that_come_twice_are_named(tmp_path):
    _touch(tmp_path, "a.wav")
    row = {"path": "a.wav", "text": "x", "offset": 1, "duration": 2}
    with pytest.raises(ValueError, match="ids come twice.*\n  a-0001000-0003000"):
        read_manifest(_jsonl(tmp_path / "t.jsonl", row, row))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("t.tsv", "a.wav\tone\n", "first line with a column path .*found a.wav one"),
        ("t.tsv", "path\tx\na.wav\tone\n", "with a column text"),
        ("t.tsv", "", "found nothing"),
        ("t.jsonl", '[{"path": "a.wav"}]\n', r"line 1: expected one JSON object a l"),
        ("t.jsonl", '{"path": \n', r"line 1: expected one JSON object a line"),
        ("t.jsonl", "\n", "has no rows"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / name)


@pytest.mark.parametrize(
    "given, file",
    [
        ("", "train.tsv"),
        ("", "train.jsonl"),
        ("", "train.json"),
        ("SET_manifest.json", "train_manifest.json"),
        ("SET/manifest.jsonl", "train/manifest.jsonl"),
        ("DATASET/SET.tsv", "DATASET/train.tsv"),
    ],
)
def test_a_set_is_found_by_its_name(tmp_path, given, file):
    _touch(tmp_path, file)
    assert find_manifest(tmp_path / given, "train") == tmp_path / file


def test_what_is_there_is_told(tmp_path):
    _touch(tmp_path, "dev.tsv", "test.json")
    with pytest.raises(FileNotFoundError, match="train.tsv or .* has: dev.tsv test.j"):
        find_manifest(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match="train.json: no manifest of the set"):
        find_manifest(tmp_path / "SET.json", "train")
    with pytest.raises(FileNotFoundError, match="a path with the word SET"):
        find_manifest(tmp_path / "train.tsv", "train")
