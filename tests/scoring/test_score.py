import random

import pytest

from espnet_tutornet.scoring.alignment import align
from espnet_tutornet.scoring.score import (
    COLUMNS,
    count,
    find_sclite,
    percentages,
    read_text,
    resolve_backend,
    score,
    to_characters,
)

needs_sclite = pytest.mark.skipif(find_sclite() is None, reason="sclite is absent")


def random_texts(size, seed, vocabulary, longest):
    rng = random.Random(seed)
    names = [f"spk{n % 7}-{n:05d}" for n in range(size)]

    def draw():
        return {u: rng.choices(vocabulary, k=rng.randint(0, longest)) for u in names}

    return draw(), draw()


@pytest.mark.parametrize(
    "ref, hyp, operations",
    [
        ("a b c", "a b c", "CCC"),
        ("a b c", "", "DDD"),
        ("", "a", "I"),
        ("", "", ""),
        ("a b c", "a x c", "CSC"),
        ("a b c", "b c", "DCC"),
        ("a b", "a x b y", "CICI"),
        ("A b É", "a B É", "CCC"),
        ("É", "é", "S"),  # only ASCII letters are folded
        ("a b c", "x y a", "SSS"),  # costs 12, as do C + 2 D + 2 I
    ],
)
def test_align_gives_the_operations_worked_out_by_hand(ref, hyp, operations):
    assert align([ref.split()], [hyp.split()]) == [operations]


def test_align_does_not_depend_on_the_batch(monkeypatch):
    refs, hyps = random_texts(300, 3, "abc", 12)
    together = align(list(refs.values()), list(hyps.values()))
    alone = [align([ref], [hyp])[0] for ref, hyp in zip(refs.values(), hyps.values())]
    monkeypatch.setattr("espnet_tutornet.scoring.alignment.BATCH_CELLS", 500)
    assert align(list(refs.values()), list(hyps.values())) == together == alone


def test_count_adds_up_to_the_columns_of_sclite():
    counts = count(["CSDI", "CC", "", "I"])
    assert list(counts.values()) == [4, 5, 3, 1, 1, 2, 4, 2]
    assert percentages(counts) == [60.0, 20.0, 20.0, 40.0, 80.0, 50.0]


def test_to_characters_marks_the_space_between_words():
    assert to_characters(["AB", "C"]) == ["A", "B", "<space>", "C"]
    assert to_characters([]) == []


@needs_sclite
@pytest.mark.parametrize("vocabulary", ["ab", "abcd", ["x", "é", "É", "Foo", "foo"]])
def test_both_backends_report_equal_counts(tmp_path, vocabulary):
    refs, hyps = random_texts(3000, len(vocabulary), vocabulary, 14)
    theirs = score(tmp_path / "sclite", refs, hyps, "sclite")
    ours = score(tmp_path / "internal", refs, hyps, "internal")
    assert ours == theirs
    assert list(ours) == list(COLUMNS)


@needs_sclite
def test_both_backends_agree_on_every_utterance_and_speaker(tmp_path):
    refs, hyps = random_texts(400, 1, "abc", 10)
    speakers = {utt_id: f"{utt_id[:4]}-x" for utt_id in refs}
    listings = []
    for backend in ("sclite", "internal"):
        score(tmp_path / backend, refs, hyps, backend, speakers)
        lines = (tmp_path / backend / "result.txt").read_text().splitlines()
        utterances = [
            (lines[n - 1], line)
            for n, line in enumerate(lines)
            if line.startswith("Scores:")
        ]
        tables = [
            line.replace("|", " ").split()
            for line in lines
            if line.strip(" ").startswith(("| spk", "| Sum"))
        ]
        listings.append((sorted(utterances), tables))
    assert listings[0] == listings[1]
    assert len(listings[0][0]) == 400


def test_internal_result_shows_table_and_alignment(tmp_path):
    refs = {"s1-u1": ["HELLO", "WORLD"], "s2-u2": ["A"]}
    hyps = {"s1-u1": ["HELLO"], "s2-u2": ["B", "A"]}
    counts = score(tmp_path / "score_wer", refs, hyps, "internal")
    assert list(counts.values()) == [2, 3, 2, 0, 1, 1, 2, 2]
    lines = (tmp_path / "score_wer" / "result.txt").read_text().splitlines()
    (average,) = [line for line in lines if "Sum/Avg" in line]
    values = average.replace("|", " ").split()[1:]
    assert values == ["2", "3", "66.7", "0.0", "33.3", "33.3", "66.7", "100.0"]
    shown = lines.index("id: (s1-u1-s1-u1)")
    assert lines[shown + 1 : shown + 5] == [
        "Scores: (#C #S #D #I) 1 0 1 0",
        "REF:  HELLO WORLD",
        "HYP:  HELLO *****",
        "Eval:       D",
    ]
    assert (tmp_path / "score_wer" / "hyp.trn").read_text() == (
        "HELLO (s1-u1-s1-u1)\nB A (s2-u2-s2-u2)\n"
    )


def test_read_text_keeps_empty_hypotheses(tmp_path):
    (tmp_path / "text").write_text("u1 A B\nu2\n")
    assert read_text(tmp_path / "text") == {"u1": ["A", "B"], "u2": []}


@pytest.mark.parametrize(
    "content, message",
    [
        ("u1 A\nu1 B\n", r"text:2: .*got 'u1' again"),
        ("u1 A\n\n", r"text:2: .*an empty line"),
        ("", "got none"),
    ],
)
def test_read_text_refuses_a_broken_file(tmp_path, content, message):
    (tmp_path / "text").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "text")


@pytest.mark.parametrize(
    "refs, hyps, message",
    [
        ({"u1": ["A"], "u2": ["B"], "u3": []}, {"u1": []}, "2 .*no hypothesis: u2 u3"),
        ({"u1": ["A"]}, {"u1": [], "u9": []}, "1 .*no reference: u9"),
        ({"u1": []}, {"u1": ["A"]}, "at least 1"),
    ],
)
def test_score_refuses_texts_that_do_not_match(tmp_path, refs, hyps, message):
    with pytest.raises(ValueError, match=message):
        score(tmp_path / "score_wer", refs, hyps, "internal")
    assert not (tmp_path / "score_wer").exists()


def test_unknown_backend_lists_the_known_ones():
    with pytest.raises(ValueError, match="'auto', 'sclite', 'internal'.*got 'wer'"):
        resolve_backend("wer")


@pytest.mark.parametrize("words", [["@"], ["a{b"], [";;x"], ["**"]])
def test_text_that_sclite_takes_for_markup(tmp_path, words):
    counts = score(tmp_path / "internal", {"u": words}, {"u": ["A"]}, "internal")
    assert counts["Sub"] == 1
    if find_sclite():
        with pytest.raises(ValueError, match="Utterance u: .*--backend internal"):
            score(tmp_path / "sclite", {"u": words}, {"u": ["A"]}, "sclite")
        assert not (tmp_path / "sclite").exists()
