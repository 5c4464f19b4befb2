"""Text of a recogniser in place of transcripts, as far as it can be trusted."""

import re

import pytest
import yaml

from espnet_tutornet.bin.pseudo_text import load_rewriter, main
from espnet_tutornet.data.data_dir import Utterance, read_data_dir, write_data_dir
from espnet_tutornet.student.pseudo_text import (
    Limits,
    Recognised,
    find_refusal,
    take_texts,
)

FS = 8000
KEYS = ("encoder", "encoder_conf", "model_conf")
LABELLED = [
    Utterance("a-1", "a", "a1.wav", FS, "ONE TWO"),
    Utterance("a-2", "a", "a2.wav", FS, "ONE TWO SIX"),
]


def heard(*ids, samples=FS):
    return [Utterance(utt_id, "b", f"{utt_id}.wav", samples, "") for utt_id in ids]


def texts_of(outcome):
    return {utt.utt_id: utt.text for utt in outcome.utterances}


def test_a_text_is_taken_where_it_is_as_long_as_transcripts_are():
    """Transcripts have 7 and 11 characters per second: 5.6 to 13.75 with the slack."""
    written = {"b-1": "SIX  TWO", "b-2": "SIX", "b-3": "SIX TWO ONE SIX", "b-4": ""}
    outcome = take_texts(
        LABELLED + heard("b-1", "b-2", "b-3", "b-4", "b-5"), Recognised(written), FS
    )
    assert texts_of(outcome) == {
        **{"a-1": "ONE TWO", "a-2": "ONE TWO SIX", "b-1": "SIX TWO"},
        **{"b-2": "", "b-3": "", "b-4": "", "b-5": ""},
    }
    assert outcome.taken == (1, 0)
    rate = "characters per second outside 5.6 to 13.8"
    assert outcome.left[0] == {rate: 2, "empty text": 1, "no text": 1}
    assert outcome.describe() == (
        "pseudo text: taken for 1 of 5 utterances without a transcript; not taken: "
        f"2 {rate}, 1 empty text, 1 no text"
    )
    wide = Limits(rate_slack=4.0)
    assert take_texts(LABELLED + heard("b-2"), Recognised(written), FS, wide).taken == (
        1,
        0,
    )


def test_a_text_of_which_the_recogniser_is_not_sure_is_left():
    written = Recognised(
        {"b-1": "SIX TWO", "b-2": "SIX TWO"}, {"b-1": -0.5, "b-2": -0.6}
    )
    outcome = take_texts(LABELLED + heard("b-1", "b-2"), written, FS, Limits(-0.5))
    assert outcome.taken == (1, 0) and texts_of(outcome)["b-2"] == ""
    assert outcome.left[0] == {"score per token under -0.5": 1}
    unsure = Recognised({"b-1": "SIX TWO"}, {"b-1": float("nan")})
    assert take_texts(LABELLED + heard("b-1"), unsure, FS, Limits(-9)).taken == (0, 0)


def test_transcripts_stay_unless_they_are_to_be_replaced_and_the_text_is_near():
    written = Recognised({"a-1": "ONE TOO", "a-2": "ONE TWO SIX", "b-1": "SIX TWO"})
    utterances = LABELLED + heard("b-1")
    kept = take_texts(utterances, written, FS)
    assert texts_of(kept)["a-1"] == "ONE TWO" and kept.taken == (1, 0)
    for limit, text in ((10.0, "ONE TWO"), (50.0, "ONE TOO")):
        limits = Limits(wer_max=limit)
        outcome = take_texts(utterances, written, FS, limits, labelled_too=True)
        assert texts_of(outcome)["a-1"] == text
    assert outcome.taken == (1, 2)
    near = take_texts(utterances, written, FS, labelled_too=True)
    assert near.taken == (1, 1) and near.left[1] == {"WER above 10 %": 1}


def test_copies_at_another_speed_have_the_text_of_the_original():
    written = Recognised({"b-1": "SIX TWO"}, {"b-1": -2.0})
    utterances = LABELLED + heard("b-1", "sp0.9-b-1")
    assert texts_of(take_texts(utterances, written, FS))["sp0.9-b-1"] == "SIX TWO"
    strict = take_texts(utterances, written, FS, Limits(score_min=-1.0))
    assert strict.left[0] == {"score per token under -1": 2}


def test_what_tokens_or_frames_of_the_student_cannot_hold_is_left():
    refuse = find_refusal(list, ["S", "I", "X"], samples_per_frame=1000, lost=1)
    for text, reason in (("SIX", ""), ("SIXT", "unknown tokens")):
        assert refuse(Utterance("b", "b", "b.wav", 4000, text)) == reason
    assert refuse(Utterance("b", "b", "b.wav", 3999, "SIX")) == "too dense for CTC"
    assert refuse(Utterance("b", "b", "b.wav", 4000, "SSI")) == "too dense for CTC"
    written = Recognised({"b-1": "SIX TWO"})
    outcome = take_texts(
        LABELLED + heard("b-1"), written, FS, refuse=lambda utt: "too long"
    )
    assert outcome.left[0] == {"too long": 1} and outcome.taken == (0, 0)


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"rate_slack": 0.9}, "--pseudo_rate_slack must be 1 or more, got 0.9"),
        ({"wer_max": -1.0}, "--pseudo_wer_max must be 0 or more, got -1"),
        ({"score_min": float("nan")}, "--pseudo_score_min must be a number"),
    ],
)
def test_limits_that_cannot_be_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        Limits(**limits)


def test_espnets_scores_are_read_per_token(tmp_path):
    (tmp_path / "text").write_text("b-1 SIX TWO\nb-2 SIX\n")
    (tmp_path / "token").write_text("b-1 S I X T\nb-2\n")
    (tmp_path / "score").write_text("b-1 tensor(-2.0000)\nb-2 -1.5e-1\n")
    read = Recognised.read([tmp_path / "text"])
    assert read.scores == {"b-1": -0.5, "b-2": -0.15}
    (tmp_path / "token").unlink()
    assert Recognised.read([tmp_path / "text"]).scores == {}
    with pytest.raises(ValueError, match="another text has, too:\n  b-1"):
        Recognised.read([tmp_path / "text"] * 2)
    (tmp_path / "token").write_text("b-1 S\n")
    (tmp_path / "score").write_text("b-1 high\n")
    with pytest.raises(ValueError, match="score: b-1: expected a score, got 'high'"):
        Recognised.read([tmp_path / "text"])


@pytest.fixture
def words(tmp_path, make_args):
    """Return the command line over a directory of three utterances."""
    write_data_dir(tmp_path / "audio", LABELLED + heard("b-1"), needs_text=False)
    (tmp_path / "audio/removed.tsv").write_text("utt_id\treason\tvalue\nb-2\tlong\t9\n")
    conf = {key: vars(make_args())[key] for key in KEYS}
    conf["frontend_conf"] = {"fs": FS, "n_fft": 256, "hop_length": 80}
    (tmp_path / "train_a.yaml").write_text(yaml.safe_dump(conf))
    letters = sorted(set("ONETWOSIX"))
    tokens = ["<blank>", "<unk>", "<space>", *letters, "<sos/eos>"]
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    options = f"--texts {tmp_path}/text --audio_dir {tmp_path}/audio --fs {FS}"
    options += f" --out_dir {tmp_path}/some --out_dir_all {tmp_path}/all"
    options += f" --token_list {tmp_path}/tokens.txt --token_type char"
    return f"{options} --configs {tmp_path}/train_a.yaml".split()


def test_two_directories_are_written(tmp_path, words, capsys):
    (tmp_path / "text").write_text("b-1 six two\nb-2 six\n")
    main([*words, "--text_case", "upper"])
    assert "taken for 1 of 1 utterances without a transcript" in capsys.readouterr().out
    spoken = {utt.utt_id: utt.text for utt in read_data_dir(tmp_path / "some")}
    assert spoken == {"a-1": "ONE TWO", "a-2": "ONE TWO SIX", "b-1": "SIX TWO"}
    assert read_data_dir(tmp_path / "all") == read_data_dir(tmp_path / "some")
    (tmp_path / "text").write_text("b-1 SIX\na-1 ONE TWO\n")
    main([*words, "--labelled"])
    assert len(read_data_dir(tmp_path / "some")) == 2
    every = {
        u.utt_id: u.text for u in read_data_dir(tmp_path / "all", needs_text=False)
    }
    assert every == {"a-1": "ONE TWO", "a-2": "ONE TWO SIX", "b-1": ""}


def test_a_text_is_written_as_the_transcripts_are():
    rewrite = load_rewriter("upper", "", ["<noise>"])
    assert rewrite("six <noise> e\u0301") == "SIX <noise> \u00c9"
    assert rewrite("") == ""


def test_a_text_is_cleaned_as_the_transcripts_are():
    pytest.importorskip("tacotron_cleaner")
    assert load_rewriter("", "tacotron")("six") == "SIX"


@pytest.mark.parametrize(
    "text, message",
    [
        ("c-9 SIX TWO\n", "neither in the training sets nor in the unlabelled ones"),
        ("b-1 six two\n", "no pseudo text is left.*1 unknown tokens. Look at"),
        ("b-2 SIX\n", "no pseudo text is left.*1 no text"),
    ],
)
def test_text_that_is_of_no_use_is_an_error(tmp_path, words, capsys, text, message):
    (tmp_path / "text").write_text(text)
    with pytest.raises(SystemExit, match="1"):
        main(words)
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "some").exists()
