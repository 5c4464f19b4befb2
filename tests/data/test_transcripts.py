import pytest

from espnet_tutornet.data.data_dir import Utterance
from espnet_tutornet.data.transcripts import (
    hide_transcripts,
    read_symbols,
    rewrite_texts,
)


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


def test_symbols_are_neither_cleaned_nor_written_in_another_case():
    def clean(text):
        return text.replace("<", "").replace("One", "1")

    texts = ["One <Um> One<Um>", "<Um>"]
    expected = ["1 <Um> 1<Um>", "<Um>"]
    assert _texts(texts, "upper", clean, ["<Um>"]) == expected
    assert _texts(["a(x)b"], "upper", None, ["(x)"]) == ["A(x)B"]


def test_symbols_are_read_the_longest_first(tmp_path):
    path = tmp_path / "symbols.txt"
    path.write_text("<a>\n\n<a>b\n<a>\n")
    assert read_symbols(path) == ["<a>b", "<a>"] and read_symbols("") == []
    path.write_text("<a> b\n")
    with pytest.raises(ValueError, match="without white space, found '<a> b'. Mend"):
        read_symbols(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match="found 'none'"):
        read_symbols(path)
    with pytest.raises(FileNotFoundError, match="Mend --nlsyms_txt"):
        read_symbols(tmp_path / "none.txt")


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


@pytest.mark.parametrize("count", [1, 5, 6, 7, 11])
def test_some_keep_their_transcripts_in_every_part_of_the_ids(count):
    utts = [Utterance(f"{s}-{n}", s, "w", 9, f"T{n}") for s in "abc" for n in range(4)]
    labelled, hidden = hide_transcripts(utts, count)
    assert len(labelled) == count and {utt.text for utt in hidden} == {""}
    assert [utt for utt in utts if utt in labelled] == labelled
    both = sorted(utt.utt_id for utt in [*labelled, *hidden])
    assert both == [utt.utt_id for utt in utts]
    if count == 6:
        ids = ["a-0", "a-2", "b-0", "b-2", "c-0", "c-2"]
        assert [utt.utt_id for utt in labelled] == ids


@pytest.mark.parametrize("count", [-1, 0, 2, 3])
def test_neither_part_may_be_empty(count):
    utts = [Utterance(f"a-{n}", "a", "w", 9, "T") for n in range(2)]
    with pytest.raises(ValueError, match=rf"must be in \[1, 1\], got {count}: there"):
        hide_transcripts(utts, count)
