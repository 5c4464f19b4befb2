import pytest

from espnet_tutornet.data.corpora.kaldi import read_kaldi_set, read_raw_dir
from espnet_tutornet.data.data_dir import RawUtterance


@pytest.fixture
def write(tmp_path):
    """Return write(file=content, ...): of the set train; _ stands for the point."""

    def run(**files):
        folder = tmp_path / "egs/data/train"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name.replace("wav_scp", "wav.scp")).write_text(content)
        return folder

    return run


def test_files_pipes_and_archives_are_taken_in_any_order(write):
    folder = write(
        wav_scp="s-2 sox a.sph -t wav - |\ns-1 /a/b.wav\ns-3 /a/c.ark:17\n",
        text="s-1 ONE\ns-3 THREE\ns-2 TWO  TWO\n",
        utt2spk="s-1 s\ns-2 s\ns-3 t\n",
        utt2num_samples="s-1 80\n",
        spk2utt="anything",
    )
    assert read_raw_dir(folder) == [
        RawUtterance("s-1", "s", "ONE", "/a/b.wav", "s-1", num_samples=80),
        RawUtterance("s-2", "s", "TWO  TWO", "sox a.sph -t wav - |", "s-2"),
        RawUtterance("s-3", "t", "THREE", "/a/c.ark:17", "s-3"),
    ]


def test_speakers_are_also_read_from_their_lists(write):
    folder = write(wav_scp="a /a\nb /b\n", text="a A\nb B\n", spk2utt="s b a\n")
    assert [utt.speaker for utt in read_raw_dir(folder)] == ["s", "s"]
    (folder / "spk2utt").unlink()
    assert [utt.speaker for utt in read_raw_dir(folder)] == ["a", "b"]


def test_segments_name_recordings_and_channels(write):
    folder = write(
        wav_scp="r1 /a/1.wav\nr2 /a/2.wav\nunused /a/3.wav\n",
        segments="b r1 0.5 1.25\na r1 0 0.5\nc r2 1 -1\n",
        text="a A\nb B\nc C\n",
        reco2file_and_channel="r1 sw02001 B\nr2 sw02002 1\n",
    )
    assert read_raw_dir(folder) == [
        RawUtterance("a", "a", "A", "/a/1.wav", "r1", 0.0, 0.5, "1"),
        RawUtterance("b", "b", "B", "/a/1.wav", "r1", 0.5, 1.25, "1"),
        RawUtterance("c", "c", "C", "/a/2.wav", "r2", 1.0, None, "0"),
    ]


def test_without_transcripts_text_is_not_read(write):
    folder = write(wav_scp="a /a.wav\n", text="x\nx\n")
    (utt,) = read_raw_dir(folder, needs_text=False)
    assert utt.text == ""
    (folder / "text").unlink()
    assert read_raw_dir(folder, needs_text=False) == [utt]
    with pytest.raises(FileNotFoundError, match="train/text: no such file"):
        read_raw_dir(folder)


def test_paths_are_found_from_the_recipe_that_wrote_them(write, tmp_path, monkeypatch):
    """ESPnet's dump/raw names audio from the directory of its recipe."""
    recipe = tmp_path / "egs"
    folder = write(
        wav_scp="a dump/x.flac\nb dump/x.ark:9\nc cat 'dump/x.flac' | sox - x |\n"
        "d dump/none.flac\n",
        text="a A\nb B\nc C\nd D\n",
    )
    (recipe / "dump").mkdir()
    for name in ("x.flac", "x.ark"):
        (recipe / "dump" / name).touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [utt.audio for utt in read_raw_dir(folder)] == [
        f"{recipe}/dump/x.flac",
        f"{recipe}/dump/x.ark:9",
        f"cat '{recipe}/dump/x.flac' | sox - x |",
        "dump/none.flac",
    ]
    monkeypatch.chdir(recipe)
    assert read_raw_dir(folder)[0].audio == "dump/x.flac"


@pytest.mark.parametrize(
    "segments, message",
    [
        ("a r 2 1", "a: from 2 s to 1 s, expected 0 <= start < end"),
        ("a r -1 1", "a: from -1 s to 1 s"),
        ("a r 1 1", "a: from 1 s to 1 s"),
        ("a q 0 1", "a: recording q is not in wav.scp"),
        ("a r 0", "a: expected RECORDING START END, found 'r 0'"),
        ("a r 0 x", "expected RECORDING START END"),
        ("a", "expected RECORDING START END, found ''"),
    ],
)
def test_segments_that_cannot_be_are_named(write, segments, message):
    folder = write(wav_scp="r /r.wav\n", segments=f"{segments}\n", text="a A\n")
    with pytest.raises(ValueError, match="train/segments: lines that.*used") as error:
        read_raw_dir(folder)
    assert message in str(error.value)


def test_utterances_without_a_transcript_are_counted_and_five_named(write):
    wavs = "".join(f"u{n} /{n}.wav\n" for n in range(9))
    folder = write(wav_scp=wavs, text="u0 ZERO\nu1 \nu8 EIGHT\n")
    with pytest.raises(ValueError, match="text: 7 of 9 utterances have no") as error:
        read_raw_dir(folder)
    assert "  u5\n  and 2 more" in str(error.value)
    assert "--unlabelled_sets" in str(error.value)


@pytest.mark.parametrize(
    "files, message",
    [
        (dict(text="a A\nb B\n"), "text: ids are not in wav.scp .*fix_data_dir"),
        (dict(text="a A\n", utt2spk="b b\n"), "utt2spk: no speaker of these .*\n  a"),
        (dict(text="a A\n", wav_scp="a\n"), "wav.scp: no audio"),
        (
            dict(text="a A\n", reco2file_and_channel="a a C\n"),
            "expected A, B, 1 or 2 as channel:\n  a: found 'C'",
        ),
    ],
)
def test_files_that_disagree_are_named(write, files, message):
    folder = write(**{"wav_scp": "a /a.wav\n", **files})
    with pytest.raises(ValueError, match=message):
        read_raw_dir(folder)


def test_a_set_is_found_by_name_and_another_is_told_what_there_is(write, tmp_path):
    write(wav_scp="a /a.wav\n", text="a A\n")
    (tmp_path / "egs/data/org/dev").mkdir(parents=True)
    (tmp_path / "egs/data/org/dev/wav.scp").touch()
    (utt,) = read_kaldi_set(tmp_path / "egs/data", "train")
    assert utt.audio == "/a.wav"
    with pytest.raises(
        FileNotFoundError, match="test/wav.scp: no such set. .*data has: org/dev train"
    ):
        read_kaldi_set(tmp_path / "egs/data", "test")
    with pytest.raises(FileNotFoundError, match="nowhere has: none"):
        read_kaldi_set(tmp_path / "nowhere", "test")
