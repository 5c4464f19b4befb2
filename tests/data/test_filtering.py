import itertools

import pytest

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.filtering import (
    Removed,
    ctc_frames_needed,
    filter_by_ctc,
    filter_by_duration,
    format_removed,
    read_removed,
)


def _utterance(num_samples, text="A", utt_id="u"):
    return Utterance(utt_id, "u", "w", num_samples, text)


def test_durations_at_the_limits_are_kept():
    utts = [_utterance(n) for n in (799, 800, 801, 15999, 16000, 16001)]
    kept, removed = filter_by_duration(utts, 8000, 0.1, 2.0)
    assert [utt.num_samples for utt in kept] == [800, 801, 15999, 16000]
    assert removed == [
        Removed("u", "shorter_than_min_wav_duration", "0.100"),
        Removed("u", "longer_than_max_wav_duration", "2.000"),
    ]


def test_duration_counts_in_the_sampling_rate():
    assert filter_by_duration([_utterance(16000)], 16000, 0.5, 1.5)[1] == []
    (removed,) = filter_by_duration([_utterance(16000)], 8000, 0.5, 1.5)[1]
    assert removed.value == "2.000"


@pytest.mark.parametrize(
    "fs, low, high, match",
    [
        (0, 0.1, 20, "fs must be above 0, got 0"),
        (8000, 3, 2, "0 <= min_wav_duration < max_wav_duration, got 3 and 2"),
        (8000, -1, 2, "got -1 and 2"),
    ],
)
def test_bad_durations_are_refused(fs, low, high, match):
    with pytest.raises(ValueError, match=match):
        filter_by_duration([], fs, low, high)


@pytest.mark.parametrize(
    "tokens, needed", [("", 0), ("A", 1), ("AB", 2), ("AAB", 4), ("AAA", 5), ("AXY", 4)]
)
def test_ctc_frames_needed(tokens, needed):
    assert ctc_frames_needed(list(tokens), {"A", "B"}) == needed


@pytest.mark.parametrize("tokens", ["AB", "AAB", "ABBA", "AAA"])
def test_ctc_frames_needed_is_the_shortest_path(tokens):
    def collapse(path):
        return "".join(key for key, _ in itertools.groupby(path) if key != "-")

    lengths = (
        n
        for n in range(7)
        if any(collapse(p) == tokens for p in itertools.product("AB-", repeat=n))
    )
    assert ctc_frames_needed(list(tokens), {"A", "B"}) == next(lengths)


def test_ctc_target_must_fit_one_frame_less():
    # "AAB" needs 4 frames; 5 * 320 samples give 5, of which one may be lost.
    utts = [_utterance(1599, "AAB", "short"), _utterance(1600, "AAB", "fits")]
    kept, removed = filter_by_ctc(utts, list, ["A", "B"], 320)
    assert [utt.utt_id for utt in kept] == ["fits"]
    assert removed == [Removed("short", "ctc_target_longer_than_frames", "4>3")]


@pytest.mark.parametrize("lost, frames", [(-1, 6), (0, 5), (1, 4), (3, 2)])
def test_frames_that_an_encoder_loses_are_taken_off(lost, frames):
    dense = [_utterance(1919, "A" + "BA" * n, str(n)) for n in range(4)]
    kept, removed = filter_by_ctc(dense, list, ["A", "B"], 320, lost)
    assert [utt.utt_id for utt in kept] == [str(n) for n in range((frames + 1) // 2)]
    assert {row.value.split(">")[1] for row in removed} <= {str(frames)}


def test_samples_per_frame_must_be_positive():
    with pytest.raises(ValueError, match="samples_per_frame must be above 0, got 0"):
        filter_by_ctc([], list, [], 0)


def test_removed_rows_are_written_and_read(tmp_path):
    rows = [Removed("a", "why", "1"), Removed("b", "why", "2>1")]
    content = format_removed(rows)
    assert content == "utt_id\treason\tvalue\na\twhy\t1\nb\twhy\t2>1\n"
    (tmp_path / "removed.tsv").write_text(content)
    assert read_removed(tmp_path / "removed.tsv") == rows
    assert read_removed(tmp_path / "none.tsv") == []
    assert format_removed([]) == "utt_id\treason\tvalue\n"


@pytest.mark.parametrize("content", ["", "a\tb\n", "utt_id\treason\tvalue\na\tb\n"])
def test_other_forms_of_removed_are_refused(tmp_path, content):
    (tmp_path / "removed.tsv").write_text(content)
    with pytest.raises(ValueError, match="removed.tsv: expected lines of"):
        read_removed(tmp_path / "removed.tsv")
