import pytest

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.transcripts import rewrite_texts


def _texts(texts, *args):
    utts = [Utterance(f"u{n}", "u", "w", 1, text) for n, text in enumerate(texts)]
    return [utt.text for utt in rewrite_texts(utts, *args)]


@pytest.mark.parametrize(
    "case, expected", [("", "One ß"), ("upper", "ONE SS"), ("lower", "one ß")]
)
def test_case(case, expected):
    assert _texts(["One ß", ""], case) == [expected, ""]


def test_the_cleaner_goes_before_the_case_and_spaces_are_single():
    def clean(text):
        return f" {text.replace('One', 'Number  one')} "

    assert _texts(["One X"], "upper", clean) == ["NUMBER ONE X"]


def test_utterances_without_a_transcript_are_not_cleaned():
    assert _texts([""], "", lambda text: text + "x") == [""]


def test_a_transcript_that_the_cleaner_empties_is_named():
    with pytest.raises(ValueError, match="u1: '...' is left empty") as error:
        _texts(["A", "..."], "", lambda text: text.strip("."))
    assert "u0" not in str(error.value)


def test_an_unknown_case_lists_the_known_ones():
    with pytest.raises(ValueError, match="must be upper or lower, .* got 'title'"):
        _texts(["a"], "title")


def test_letters_are_composed_before_and_after_every_change():
    assert _texts(["cafe\u0301", "\u1100\u1161"]) == ["caf\u00e9", "\uac00"]
    assert _texts(["e\u0301"], "upper") == ["\u00c9"]
    assert _texts(["a"], "", lambda text: text + "\u0301") == ["\u00e1"]
