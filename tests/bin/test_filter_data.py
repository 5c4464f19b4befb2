from dataclasses import replace

import pytest
import yaml

from espnet_tutornet.bin.filter_data import main
from espnet_tutornet.data.data_dir import Utterance, read_data_dir, write_data_dir
from espnet_tutornet.data.tokens import make_token_list

DURATION = "--fs 8000 --min_wav_duration 0.1 --max_wav_duration 2".split()


@pytest.fixture
def data(tmp_path):
    utts = [
        Utterance("dense", "s", "w", 1600, "ABABABABAB"),
        Utterance("good", "s", "w", 8000, "AB"),
        Utterance("long", "s", "w", 16001, "AB"),
        Utterance("short", "s", "w", 799, "AB"),
    ]
    write_data_dir(tmp_path / "data", utts)
    make_token_list(tmp_path / "data/text", tmp_path / "char", "char")
    return tmp_path


def _run(data, source, *options):
    main(["--data_dirs", f"{data}/{source}", "--out_dir", f"{data}/dump", *options])
    return {path.name: path.read_text() for path in (data / "dump").iterdir()}


def _config(data, layers):
    """Write a configuration; each layer halves the frames of 10 ms."""
    frontend_conf = {"fs": "auto", "hop_length": "10ms", "n_mels": 20}
    encoder_conf = {"rnn_type": "gru", "num_layers": layers, "hidden_size": 6}
    encoder_conf.update(output_size=10, subsample=[2] * layers)
    conf = {"frontend": "default", "frontend_conf": frontend_conf, "encoder": "rnn"}
    conf.update(encoder_conf=encoder_conf, model_conf={"ctc_weight": 1.0})
    path = data / f"train_{layers}.yaml"
    path.write_text(yaml.safe_dump(conf))
    return str(path)


def _ctc(data, *layers):
    """Return options of the CTC filter: 320 samples a frame, if nothing is said."""
    tokens = ["--token_list", f"{data}/char/tokens.txt", "--token_type", "char"]
    configs = [_config(data, count) for count in layers or (2,)]
    return [*tokens, "--fs", "8000", "--configs", *configs]


def test_both_steps_after_each_other_and_twice(data, capsys):
    first = _run(data, "data", *DURATION)
    assert first["removed.tsv"] == (
        "utt_id\treason\tvalue\n"
        "long\tlonger_than_max_wav_duration\t2.000\n"
        "short\tshorter_than_min_wav_duration\t0.100\n"
    )
    assert first == _run(data, "data", *DURATION)
    second = _run(data, "dump", *_ctc(data))
    # 1600 samples are 6 frames of 320, the last for what is left at the end
    dense = "dense\tctc_target_longer_than_frames\t10>6\n"
    assert second["removed.tsv"] == first["removed.tsv"] + dense
    assert second["text"] == "good AB\n"
    assert second == _run(data, "dump", *_ctc(data))
    assert len(read_data_dir(data / "data")) == 4
    out = capsys.readouterr().out
    assert "dump: kept 1, removed 1 (1 ctc_target_longer_than_frames); frames of" in out
    assert "dump: kept 1, removed 0 (-); frames of 40 ms" in out.splitlines()[-1]


def _small_letters(data):
    utts = read_data_dir(data / "data")
    small = [replace(utt, text=utt.text.lower()) for utt in utts]
    write_data_dir(data / "small", small)


def test_the_share_of_unknown_tokens_is_printed(data, capsys):
    _run(data, "data", *_ctc(data))
    assert "dump: 0 of 16 tokens are <unk> (0.00 %)\n" in capsys.readouterr().out


def test_capitals_that_teach_small_letters_are_an_error(data, capsys):
    """Every target became <unk>, and nothing was said."""
    before = _run(data, "data", *DURATION)
    _small_letters(data)
    with pytest.raises(SystemExit, match="1"):
        _run(data, "small", *_ctc(data))
    error = capsys.readouterr().err
    assert "16 of 16 tokens are <unk> (100.00 %), expected at most 1 %" in error
    assert "'a' 8, 'b' 8" in error and "--text_case upper" in error
    assert before == {p.name: p.read_text() for p in (data / "dump").iterdir()}


def test_unknown_tokens_can_be_accepted(data, capsys):
    _small_letters(data)
    files = _run(data, "small", *_ctc(data), "--unk_max", "100")
    assert "good ab\n" in files["text"]
    assert "(100.00 %)" in capsys.readouterr().out


def test_symbols_are_known_as_one_token(data, capsys):
    """Of char; letter by letter they would be <unk>."""
    utts = [replace(u, text=f"<um> {u.text}") for u in read_data_dir(data / "data")]
    write_data_dir(data / "noisy", utts)
    (data / "symbols.txt").write_text("<um>\n")
    symbols = ["<um>"]
    make_token_list(data / "noisy/text", data / "char", "char", symbols=symbols)
    with pytest.raises(SystemExit, match="1"):
        _run(data, "noisy", *_ctc(data), "--unk_max", "1")
    assert "'<' 4, '>' 4, 'm' 4, 'u' 4" in capsys.readouterr().err
    more = ["--non_linguistic_symbols", f"{data}/symbols.txt"]
    _run(data, "noisy", *_ctc(data), *more)
    assert "dump: 0 of 24 tokens are <unk>" in capsys.readouterr().out


def test_both_steps_at_once(data):
    files = _run(data, "data", *DURATION, *_ctc(data))
    assert files["text"] == "good AB\n"
    assert len(files["removed.tsv"].splitlines()) == 4


def test_one_limit_is_enough(data):
    assert len(_run(data, "data", "--fs", "8000", "--max_wav_duration", "2")) == 6
    assert len(read_data_dir(data / "dump")) == 3


def test_bpe_targets_are_counted_in_pieces(data):
    make_token_list(data / "data/text", data / "bpe", "bpe", 9)
    options = ["--token_list", f"{data}/bpe/tokens.txt", "--token_type", "bpe"]
    options += ["--bpemodel", f"{data}/bpe/bpe.model", *_ctc(data)[4:]]
    files = _run(data, "data", *options)
    # 6 frames hold its pieces (▁AB ABAB ABAB, so 4), but not its 10 letters.
    assert "dense ABABABABAB\n" in files["text"]


def test_utterances_without_transcripts_are_joined_and_kept(data):
    utts = [Utterance("mute", "s", "w", 8000, ""), Utterance("n", "s", "w", 9, "")]
    write_data_dir(data / "audio", utts, needs_text=False)
    more = ["--unlabelled_dirs", f"{data}/audio"]
    files = _run(data, "data", *more, *DURATION)
    assert files["text"] == "dense ABABABABAB\ngood AB\nmute\n"
    assert "n\tshorter_than_min_wav_duration\t0.001\n" in files["removed.tsv"]
    main(
        ["--unlabelled_dirs", f"{data}/dump", "--out_dir", f"{data}/dump", *_ctc(data)]
    )
    assert (data / "dump/text").read_text() == "good AB\nmute\n"
    assert len((data / "dump/removed.tsv").read_text().splitlines()) == 5


def test_a_labelled_directory_must_have_transcripts(data, capsys):
    write_data_dir(data / "audio", [Utterance("m", "s", "w", 8000, "")], None, False)
    with pytest.raises(SystemExit, match="1"):
        _run(data, "audio", *DURATION)
    assert "empty transcripts; remove these utterances" in capsys.readouterr().err


def test_no_directory_is_refused(data, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--out_dir", f"{data}/dump", *DURATION])
    assert "give --data_dirs, --unlabelled_dirs, or both" in capsys.readouterr().err


def test_nothing_left_is_an_error_and_keeps_the_old(data, capsys):
    before = _run(data, "data", *DURATION)
    with pytest.raises(SystemExit, match="1"):
        _run(data, "dump", "--fs", "8000", "--min_wav_duration", "9")
    error = capsys.readouterr().err
    assert "would be removed (2 shorter_than_min_wav_duration)" in error
    assert before == {p.name: p.read_text() for p in (data / "dump").iterdir()}


@pytest.mark.parametrize(
    "options, match",
    [
        ([], "nothing to do"),
        (["--fs", "8000"], "--fs goes with --min_wav_duration"),
        (["--max_wav_duration", "3"], "--fs goes with"),
        (["--token_list", "x"], "--token_type and --configs go together"),
        ("--configs x --fs 8000".split(), "--token_type and --configs go together"),
        ("--configs x".split(), "--fs goes with"),
        (
            "--token_list x --token_type bpe --configs x --fs 8000".split(),
            "--token_type bpe needs --bpemodel",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(data, capsys, options, match):
    with pytest.raises(SystemExit, match="2"):
        _run(data, "data", *options)
    assert match in capsys.readouterr().err


def test_the_slowest_encoder_decides_what_ctc_can_reach(data, capsys):
    """All were taken for 40 ms: the infinite loss of many targets was zeroed."""
    fast, slow = _config(data, 1), _config(data, 3)
    files = _run(data, "data", *_ctc(data, 1))
    assert "dense ABABABABAB\n" in files["text"]
    assert files["removed.tsv"].splitlines()[1:] == []
    out = capsys.readouterr().out
    assert out.endswith(f"kept 4, removed 0 (-); frames of 20 ms, as of {fast}\n")
    files = _run(data, "data", *_ctc(data, 1, 3))
    # 1600 samples are 3 frames of 640, the last half empty
    assert "dense\tctc_target_longer_than_frames\t10>3\n" in files["removed.tsv"]
    assert "short\tctc" not in files["removed.tsv"]
    out = capsys.readouterr().out
    summary = "(1 ctc_target_longer_than_frames)"
    assert out.endswith(f"removed 1 {summary}; frames of 80 ms, as of {slow}\n")


def test_a_configuration_that_is_missing_is_named(data, capsys):
    with pytest.raises(SystemExit, match="1"):
        _run(data, "data", *_ctc(data)[:-1], f"{data}/none.yaml")
    assert "none.yaml" in capsys.readouterr().err
