import os

import pytest

from espnet_tutornet.data.corpora.kaldi import read_raw_dir
from espnet_tutornet.data.data_dir import RawUtterance, Utterance, write_data_dir
from espnet_tutornet.data.raw_dir import mark_formatted, take_raw_dir, write_raw_dir

UTTS = [
    RawUtterance("a", "s", "A", "cat x.wav |", "a", num_samples=9),
    RawUtterance("b", "s", "B", "/y.ark:3", "b"),
]
CUT = [
    RawUtterance("a", "s", "A", "/x.wav", "r", 0.0, 0.5, "1"),
    RawUtterance("b", "s", "B", "/x.wav", "r", 0.5, None, "1"),
]


@pytest.mark.parametrize("utterances", [UTTS, CUT, CUT[1:]])
def test_what_is_written_is_read(tmp_path, utterances):
    write_raw_dir(tmp_path / "train", utterances[::-1])
    assert read_raw_dir(tmp_path / "train") == utterances


def test_files_are_sorted_and_there_where_they_are_needed(tmp_path):
    write_raw_dir(tmp_path / "train", UTTS)
    names = sorted(os.listdir(tmp_path / "train"))
    assert names == ["text", "utt2num_samples", "utt2spk", "wav.scp"]
    write_raw_dir(tmp_path / "train", CUT)
    assert (tmp_path / "train/segments").read_text() == "a r 0.0 0.5\nb r 0.5 -1\n"
    assert (tmp_path / "train/reco2file_and_channel").read_text() == "r r 2\n"
    assert not (tmp_path / "train/utt2num_samples").exists()


@pytest.mark.parametrize(
    "utterances, message",
    [
        ([], "there is no utterance to write"),
        ([UTTS[0], UTTS[0]], "ids come twice:\n  a"),
        (
            [CUT[0], RawUtterance("c", "s", "C", "/z.wav", "r", 0.0, 1.0)],
            "two recordings have one id:\n  r",
        ),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, utterances, message):
    with pytest.raises(ValueError, match=message):
        write_raw_dir(tmp_path / "train", utterances)
    assert not (tmp_path / "train").exists()


def _raw(folder, text="ONE", lengths=""):
    """Write as a recipe's script does: over what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wav.scp").write_text("a /x.wav\n")
    (folder / "text").write_text(f"a {text}\n")
    (folder / "utt2spk").write_text("a s\n")
    if lengths:
        (folder / "utt2num_samples").write_text(lengths)


def _format(folder, text="one"):
    utts = [Utterance("a", "s", "audio/a.flac", 80, text)]
    write_data_dir(folder, utts, mark_formatted(utts))


def test_what_a_script_writes_is_kept_and_taken(tmp_path):
    _raw(tmp_path / "train")
    (utt,) = take_raw_dir(tmp_path, "train")
    assert (utt.audio, utt.text) == ("/x.wav", "ONE")
    assert read_raw_dir(tmp_path / "org/train") == [utt]


def test_a_formatted_directory_is_not_raw(tmp_path):
    _raw(tmp_path / "train")
    before = take_raw_dir(tmp_path, "train")
    _format(tmp_path / "train")
    assert take_raw_dir(tmp_path, "train") == before


def test_a_script_that_runs_again_is_obeyed_and_an_old_length_is_not(tmp_path):
    _raw(tmp_path / "train")
    take_raw_dir(tmp_path, "train")
    _format(tmp_path / "train")
    _raw(tmp_path / "train", "TWO")
    for path in (tmp_path / "train").iterdir():
        os.utime(path, (1, 1))  # cp -p
    (utt,) = take_raw_dir(tmp_path, "train")
    assert (utt.text, utt.audio, utt.num_samples) == ("TWO", "/x.wav", 0)
    _format(tmp_path / "train")
    _raw(tmp_path / "train", "TWO", "a 81\n")
    assert take_raw_dir(tmp_path, "train")[0].num_samples == 81


def test_segments_beside_what_was_formatted_make_it_raw(tmp_path):
    _raw(tmp_path / "train")
    take_raw_dir(tmp_path, "train")
    _format(tmp_path / "train")
    (tmp_path / "train/segments").write_text("a a 0 1\n")
    assert take_raw_dir(tmp_path, "train")[0].end == 1.0


def test_an_older_directory_of_the_set_does_not_replace_what_is_brought(tmp_path):
    """Data directories of earlier releases have no mark."""
    _raw(tmp_path / "train", "OLD")
    write_raw_dir(tmp_path / "org/train", UTTS)
    assert take_raw_dir(tmp_path, "train") == UTTS


def test_a_set_that_nobody_wrote_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="local/data.sh has to write it"):
        take_raw_dir(tmp_path, "train")
