import pytest
import yaml

from espnet_tutornet.bin.make_tokens import main
from espnet_tutornet.data.tokens import read_tokens


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text").write_text("a ONE TWO\nb TWO SIX\n")
    return str(tmp_path / "text")


def test_char_and_bpe_lists(tmp_path, text, capsys):
    main(["--text", text, "--token_type", "char", "--out_dir", f"{tmp_path}/char"])
    assert read_tokens(tmp_path / "char/tokens.txt")[2:5] == ["O", "<space>", "T"]
    options = ["--token_type", "bpe", "--nbpe", "14", "--out_dir", f"{tmp_path}/bpe"]
    main(["--text", text, *options])
    assert len(read_tokens(tmp_path / "bpe/tokens.txt")) == 14
    assert capsys.readouterr().out.endswith("bpe: 14 tokens\n")


def test_teacher_list(tmp_path):
    config = {"token_list": ["<blank>", "<unk>", "A"], "token_type": "char"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    options = ["--teacher_config", f"{tmp_path}/config.yaml"]
    main([*options, "--out_dir", f"{tmp_path}/out"])
    assert (tmp_path / "out/tokens.txt").read_text() == "<blank>\n<unk>\nA\n"


def test_what_a_text_uses_of_a_teachers_list(tmp_path, text, capsys):
    tokens = ["<blank>", "<unk>", "A", "T", "O", "<space>", "W", "<sos/eos>"]
    config = {"token_list": tokens, "token_type": "char"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    options = ["--teacher_config", f"{tmp_path}/config.yaml", "--seen_in", text]
    main([*options, "--out_dir", f"{tmp_path}/out"])
    assert read_tokens(tmp_path / "out/tokens.txt") == [t for t in tokens if t != "A"]
    assert capsys.readouterr().out.endswith("out: 7 tokens\n")
    (tmp_path / "symbols").write_text("TWO\n")  # one token, of which there is none
    options += ["--non_linguistic_symbols", f"{tmp_path}/symbols"]
    main([*options, "--out_dir", f"{tmp_path}/out"])
    assert "W" not in read_tokens(tmp_path / "out/tokens.txt")


def test_nbpe_too_large_is_one_message(tmp_path, text, capsys):
    options = ["--token_type", "unigram", "--nbpe", "999", "--out_dir", "x"]
    with pytest.raises(SystemExit, match="1"):
        main(["--text", text, *options])
    assert "Please set it to a value <= " in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, match",
    [
        ("--text x", "give --teacher_config, or both --text and --token_type"),
        ("--text x --token_type bpe", "--token_type bpe needs --nbpe"),
        ("--teacher_config x --nbpe 3", "--teacher_config decides on"),
        ("--seen_in x --text x --token_type char", "give --teacher_config"),
    ],
)
def test_options_that_do_not_fit_are_refused(capsys, options, match):
    with pytest.raises(SystemExit, match="2"):
        main([*options.split(), "--out_dir", "x"])
    assert match in capsys.readouterr().err
