import pytest

from espnet_tutornet.data.tokens import load_encoder, make_token_list
from espnet_tutornet.data.unknown import check_unknown

VOCABULARY = ("<blank>", "<unk>", "<space>", *"ABCDEFG")


def _check(texts, most=1.0, vocabulary=VOCABULARY):
    return check_unknown("train", texts, load_encoder("char"), vocabulary, most)


def test_the_share_is_told():
    assert _check(["AB C", "D"]) == "train: 0 of 5 tokens are <unk> (0.00 %)"
    assert (
        _check(["A" * 199, "x"]) == "train: 1 of 200 tokens are <unk> (0.50 %): 'x' 1"
    )
    assert _check(["", ""]) == "train: 0 of 0 tokens are <unk> (0.00 %)"


def test_one_percent_is_the_limit():
    assert "(1.00 %)" in _check(["A" * 99 + "x"])
    with pytest.raises(ValueError, match=r"2 of 100 .*\(2.00 %\), expected .* 1 %"):
        _check(["A" * 98 + "xy"])
    assert "(2.00 %)" in _check(["A" * 98 + "xy"], most=2)


def test_the_commonest_come_first_and_at_most_ten():
    text = "".join(char * count for count, char in enumerate("abcdefghijkl", 1))
    with pytest.raises(ValueError, match="'l' 12, 'k' 11, ") as error:
        _check([text])
    assert "'c' 3 " in str(error.value) and "'b' 2" not in str(error.value)


@pytest.mark.parametrize(
    "text, vocabulary, case, left",
    [("abc", VOCABULARY, "upper", "0.00"), ("ABx", ("a", "b"), "lower", "33.33")],
)
def test_the_case_that_helps_is_named(text, vocabulary, case, left):
    with pytest.raises(ValueError, match=f"--text_case {case} .*leaves {left} %"):
        _check([text], vocabulary=vocabulary)


def test_where_no_case_helps_a_cleaner_is_named():
    with pytest.raises(ValueError, match="--cleaner") as error:
        _check(["A, B!"])
    assert "--text_case" not in str(error.value)
    assert "--unk_max" in str(error.value)


def test_pieces_are_counted_as_sentencepiece_gives_them(tmp_path):
    (tmp_path / "text").write_text("a AB ABAB\nb BA AB\n")
    tokens = make_token_list(tmp_path / "text", tmp_path / "bpe", "bpe", 8)
    encode = load_encoder("bpe", tmp_path / "bpe/bpe.model")
    assert "0 of " in check_unknown("dev", ["AB ABAB"], encode, tokens, 1.0)
    with pytest.raises(ValueError, match="1 of 2 tokens .*'abab' 1.*--text_case upper"):
        check_unknown("dev", ["abab"], encode, tokens, 1.0)


def test_a_limit_that_is_no_percentage_is_refused():
    with pytest.raises(ValueError, match="unk_max must be in .0, 100., got 101"):
        _check(["A"], most=101)
