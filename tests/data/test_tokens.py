import pytest
import yaml

from espnet_tutornet.data.tokens import (
    copy_teacher_tokens,
    load_encoder,
    make_token_list,
    read_tokens,
)

LINES = ["ONE TWO THREE", "FOUR FIVE SIX", "SEVEN  EIGHT", "NINE ZERO ONE"] * 5


@pytest.fixture
def text(tmp_path):
    lines = (f"u{i:02} {line}\n" for i, line in enumerate(LINES))
    (tmp_path / "text").write_text("".join(lines))
    return tmp_path / "text"


def _contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_char_tokens_are_sorted_by_count_then_letter(tmp_path):
    (tmp_path / "text").write_text("a BA  É\nb BC A\n")
    tokens = make_token_list(tmp_path / "text", tmp_path / "char", "char")
    assert tokens == "<blank> <unk> <space> A B C É <sos/eos>".split()
    assert read_tokens(tmp_path / "char/tokens.txt") == tokens
    assert sorted(_contents(tmp_path / "char")) == ["token_type", "tokens.txt"]
    assert (tmp_path / "char/token_type").read_text() == "char\n"


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_piece_list_has_nbpe_tokens_and_repeats_exactly(tmp_path, text, model_type):
    for name in ("a", "b"):
        tokens = make_token_list(text, tmp_path / name, model_type, 23)
    assert len(tokens) == 23
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    assert not {"<s>", "</s>"} & set(tokens) and tokens.count("<unk>") == 1
    files = _contents(tmp_path / "a")
    assert sorted(files) == ["bpe.model", "bpe.vocab", "token_type", "tokens.txt"]
    assert files["token_type"] == b"bpe\n"
    assert files == _contents(tmp_path / "b")
    pieces = [line.split("\t")[0] for line in files["bpe.vocab"].decode().splitlines()]
    assert pieces == ["<unk>", "<s>", "</s>", *tokens[2:-1]]


@pytest.fixture(scope="module")
def build_tokenizer():
    # The import alone takes seconds.
    return pytest.importorskip("espnet2.text.build_tokenizer").build_tokenizer


@pytest.mark.parametrize(
    "line", ["A <noise> B<um>", "<noise>", "<um <noise>> <NOISE>", "a.c (um) abc"]
)
def test_symbols_are_single_tokens_as_in_espnet(tmp_path, line, build_tokenizer):
    symbols = ["<noise>", "<um>", "(um)", "a.c"]
    (tmp_path / "symbols.txt").write_text("\n".join(symbols) + "\n")
    espnet = build_tokenizer("char", non_linguistic_symbols=tmp_path / "symbols.txt")
    assert load_encoder("char", None, symbols)(line) == espnet.text2tokens(line)
    assert load_encoder("char")(line) != espnet.text2tokens(line)


@pytest.mark.parametrize("token_type", ["char", "bpe", "unigram"])
def test_symbols_are_in_the_token_list(tmp_path, text, token_type):
    text.write_text(text.read_text().replace("FOUR", "<noise> FO<um>UR"))
    out = tmp_path / token_type
    tokens = make_token_list(text, out, token_type, 25, ["<noise>", "<um>"])
    assert {"<noise>", "<um>"} <= set(tokens) and "<" not in tokens
    model = out / "bpe.model"
    encode = load_encoder(
        *(("char", None) if token_type == "char" else ("bpe", model)),
        ["<noise>", "<um>"],
    )
    found = encode("<noise> FO<um>UR")
    assert "<noise>" in found and "<um>" in found and set(found) <= set(tokens)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_encoder_equals_espnet(tmp_path, text, model_type, build_tokenizer):
    make_token_list(text, tmp_path / "out", model_type, 23)
    model = tmp_path / "out/bpe.model"
    for kind, bpemodel in (("char", None), ("bpe", model)):
        espnet = build_tokenizer(token_type=kind, bpemodel=bpemodel)
        encode = load_encoder(kind, bpemodel)
        for line in [*LINES[:4], "ÀB QX", "A", " A  B "]:
            assert encode(line) == espnet.text2tokens(line)
            assert encode(line)


def test_nbpe_out_of_range_carries_the_limit(tmp_path, text):
    with pytest.raises(ValueError, match=r"nbpe 5000 does not suit .* value <= \d+"):
        make_token_list(text, tmp_path / "out", "unigram", 5000)
    with pytest.raises(ValueError, match="nbpe 5 does not suit .* 5 vs 19"):
        make_token_list(text, tmp_path / "out", "bpe", 5)
    with pytest.raises(ValueError, match="nbpe must be at least 4, got 0"):
        make_token_list(text, tmp_path / "out", "bpe", 0)
    assert not (tmp_path / "out").exists()


def test_bad_input_keeps_the_old_list(tmp_path, text):
    make_token_list(text, tmp_path / "out", "char")
    before = _contents(tmp_path / "out")
    with pytest.raises(ValueError, match="nbpe 5000"):
        make_token_list(text, tmp_path / "out", "bpe", 5000)
    with pytest.raises(FileNotFoundError, match="none: no such file"):
        make_token_list(tmp_path / "none", tmp_path / "out", "char")
    (tmp_path / "empty").write_text("a \n")
    with pytest.raises(ValueError, match="empty: holds no transcripts"):
        make_token_list(tmp_path / "empty", tmp_path / "out", "char")
    with pytest.raises(ValueError, match="one of char, bpe, unigram, got 'word'"):
        make_token_list(text, tmp_path / "out", "word")
    assert _contents(tmp_path / "out") == before


def test_a_directory_of_token_lists_is_not_replaced(tmp_path, text):
    make_token_list(text, tmp_path / "token_list/char", "char")
    with pytest.raises(ValueError, match="token_list: exists and holds no tokens.txt"):
        make_token_list(text, tmp_path / "token_list", "char")


def test_encoder_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(ValueError, match="char, bpe or word, got 'phn'"):
        load_encoder("phn")
    with pytest.raises(ValueError, match="needs bpemodel"):
        load_encoder("bpe")
    with pytest.raises(FileNotFoundError):
        load_encoder("bpe", tmp_path / "none")
    (tmp_path / "x.model").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="x.model: is no sentencepiece model"):
        load_encoder("bpe", tmp_path / "x.model")


def _teacher(tmp_path, **args):
    path = tmp_path / "teacher/exp/asr/config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(args, allow_unicode=True))
    return path


def test_teacher_char_list_is_taken_over(tmp_path):
    tokens = ["<blank>", "<unk>", "NO", "1", "<sos/eos>"]
    config = _teacher(tmp_path, token_list=tokens, token_type="char", bpemodel=None)
    assert copy_teacher_tokens(config, tmp_path / "out") == tokens
    assert read_tokens(tmp_path / "out/tokens.txt") == tokens
    assert (tmp_path / "out/token_type").read_text() == "char\n"


def test_teacher_words_are_taken_over(tmp_path):
    tokens = ["<blank>", "<unk>", "NO", "ONE", "<sos/eos>"]
    config = _teacher(tmp_path, token_list=tokens, token_type="word")
    assert copy_teacher_tokens(config, tmp_path / "out") == tokens
    assert (tmp_path / "out/token_type").read_text() == "word\n"
    assert load_encoder("word")("NO  ONE") == ["NO", "ONE"]


def test_teacher_bpe_files_are_found_from_its_recipe(tmp_path, text, monkeypatch):
    lists = tmp_path / "teacher/data/bpe"
    make_token_list(text, lists, "bpe", 23)
    # The student's recipe has another file of the same name.
    make_token_list(text, tmp_path / "student/data/bpe", "bpe", 24)
    monkeypatch.chdir(tmp_path / "student")
    config = _teacher(
        tmp_path,
        token_list="data/bpe/tokens.txt",
        token_type="bpe",
        bpemodel="data/bpe/bpe.model",
    )
    copy_teacher_tokens(config, tmp_path / "out")
    assert _contents(tmp_path / "out") == _contents(lists)


def test_the_pieces_that_a_text_uses_keep_their_order_and_spell_it(tmp_path, text):
    lists = tmp_path / "bpe"
    make_token_list(text, lists, "bpe", 23)
    config = _teacher(
        tmp_path,
        token_list=str(lists / "tokens.txt"),
        token_type="bpe",
        bpemodel=str(lists / "bpe.model"),
    )
    few = tmp_path / "few"
    few.write_text(text.read_text().splitlines()[0] + "\n")
    every = read_tokens(lists / "tokens.txt")
    seen = copy_teacher_tokens(config, tmp_path / "out", few)
    assert len(seen) < len(every) and seen == [t for t in every if t in seen]
    pieces = load_encoder("bpe", tmp_path / "out/bpe.model")(LINES[0])
    assert set(seen) == {*pieces, "<blank>", "<unk>", "<sos/eos>"}
    few.write_text("utt1\n")
    with pytest.raises(ValueError, match="few: holds no transcripts"):
        copy_teacher_tokens(config, tmp_path / "out", few)


def test_teacher_with_another_model_is_refused(tmp_path, text):
    make_token_list(text, tmp_path / "bpe", "bpe", 23)
    config = _teacher(
        tmp_path,
        token_list=["<blank>", "<unk>", "▁", "ABSENT", "<sos/eos>"],
        token_type="bpe",
        bpemodel=str(tmp_path / "bpe/bpe.model"),
    )
    with pytest.raises(
        ValueError, match="does not know tokens of .*: ABSENT. Expected"
    ):
        copy_teacher_tokens(config, tmp_path / "out")


@pytest.mark.parametrize(
    "args, match",
    [
        ({"token_list": ["A"]}, "has no token_type. Expected the config"),
        (
            {"token_list": ["A"], "token_type": "phn"},
            "is 'phn', expected char.*rkd_task",
        ),
        ({"token_list": ["A", "A"], "token_type": "char"}, "tokens come twice: A"),
        ({"token_list": ["A", False], "token_type": "char"}, "False is no token"),
        ({"token_list": [], "token_type": "char"}, "expected a list of tokens"),
        ({"token_list": ["A"], "token_type": "bpe"}, "a path for bpemodel, got None"),
    ],
)
def test_bad_teacher_config_is_refused(tmp_path, args, match):
    with pytest.raises(ValueError, match=match):
        copy_teacher_tokens(_teacher(tmp_path, **args), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_or_broken_teacher_files_are_named(tmp_path):
    config = _teacher(tmp_path, token_list=["A"], token_type="bpe", bpemodel="no.model")
    with pytest.raises(FileNotFoundError, match="no.model: named in .*config.yaml"):
        copy_teacher_tokens(config, tmp_path / "out")
    config.write_text("a: [")
    with pytest.raises(ValueError, match="config.yaml, line 1: expected yaml"):
        copy_teacher_tokens(config, tmp_path / "out")
    config.write_text("just text")
    with pytest.raises(ValueError, match="expected a yaml mapping, got str"):
        copy_teacher_tokens(config, tmp_path / "out")
    config.write_text("lr: 1.0")
    with pytest.raises(ValueError, match="has no token_list, token_type"):
        copy_teacher_tokens(config, tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        copy_teacher_tokens(tmp_path / "none.yaml", tmp_path / "out")


def test_read_tokens_refuses_an_empty_file(tmp_path):
    (tmp_path / "tokens.txt").write_text("")
    with pytest.raises(ValueError, match="tokens.txt: expected a list of tokens"):
        read_tokens(tmp_path / "tokens.txt")
