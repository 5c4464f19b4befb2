import pytest
import yaml

from espnet_tutornet.bin.measure_models import main
from espnet_tutornet.student.untrained import build_untrained

RNN = {
    "frontend": "default",
    "frontend_conf": {
        "fs": "auto",
        "n_fft": "32ms",
        "hop_length": "40ms",
        "n_mels": 20,
    },
    "encoder": "rnn",
    "encoder_conf": {
        "rnn_type": "gru",
        "num_layers": 2,
        "hidden_size": 6,
        "output_size": 10,
        "subsample": [2, 2],
    },
    "model_conf": {"ctc_weight": 1.0},
    "normalize": "global_mvn",
    "normalize_conf": {"stats_file": "not/there.npz"},
}


@pytest.fixture
def config(tmp_path):
    """Return a function: the configuration above, changed, as a file."""

    def write(name="small", **changes):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**RNN, **changes}))
        return path

    return write


def fails(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in command])
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_a_row_is_worked_out_by_hand(config, tmp_path, capsys):
    out = tmp_path / "table.md"
    words = ["--configs", config(), "--vocab_size", 50, "--fs", 16000, "--out", out]
    main([str(word) for word in words])
    table = out.read_text()
    assert table in capsys.readouterr().out
    header, _, row = [line.strip("| \n").split("|") for line in table.splitlines()]
    row = dict(zip(map(str.strip, header), map(str.strip, row)))
    assert (row["Configuration"], row["Encoder"]) == ("small", "RNNEncoder")
    # two directions of a GRU, weights and two biases; projections of 12; CTC
    first = 2 * 3 * 6 * (20 + 6 + 2) + 12 * 10 + 10
    second = 2 * 3 * 6 * (10 + 6 + 2) + 12 * 10 + 10
    assert first + second + 10 * 50 + 50 == 2466
    assert row["Parameters"] == "2.47 k"
    macs = 251 * 257 * 20  # mel filters on 10 s in hops of 40 ms
    macs += 251 * 2 * 3 * 6 * (20 + 6) + 126 * 12 * 10
    macs += 126 * 2 * 3 * 6 * (10 + 6) + 63 * 12 * 10 + 63 * 10 * 50
    assert macs == 1_651_832 and row["MACs/s"] == "165 k"
    assert row["Frame shift"] == "160 ms"


def test_int8_takes_a_byte_a_weight_of_linear_layers(config, capsys):
    conf = {"encoder": "transformer"}
    conf["encoder_conf"] = {"output_size": 64, "linear_units": 8192, "num_blocks": 1}
    main(["--configs", str(config(**conf)), "--vocab_size", "10"])
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split("|")]
    # feed-forward 2 x 64 x 8192, attention 4 x 64 x 64, features 4 x 64 x 64, CTC
    linear = 2 * 64 * 8192 + 4 * 64 * 64 + 4 * 64 * 64 + 64 * 10
    convolutions, rest = 9 * 64 + 9 * 64 * 64, 9000  # biases, layer norms
    assert row[3] == "1.13 M"
    float32 = 4 * (linear + convolutions + rest) / 1e6
    assert row[5].endswith(" MB") and row[6].endswith(" MB")
    # names and headers of the file take 50 kB
    assert float(row[5][:-3]) == pytest.approx(float32 + 0.05, abs=0.04)
    int8 = (linear + 4 * (convolutions + rest)) / 1e6
    assert float(row[6][:-3]) == pytest.approx(int8 + 0.05, abs=0.04)


def test_every_configuration_has_its_row(config, capsys):
    paths = [config("b"), config("a", encoder_conf={"num_layers": 1})]
    main(["--configs", *map(str, paths), "--vocab_size", "10", "--fs", "8000"])
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert [row.split("|")[1].strip() for row in rows] == ["b", "a"]


def test_what_is_laid_over_a_configuration_is_left_out(config, tmp_path, capsys):
    (tmp_path / "distill.yaml").write_text("distill_conf: {task_weight: 0.0}\n")
    names = [str(tmp_path / "distill.yaml"), str(config())]
    main(["--configs", *names, "--vocab_size", "10"])
    printed = capsys.readouterr()
    assert f"{tmp_path}/distill.yaml: left out, it names no encoder" in printed.err
    assert "| small " in printed.out and "distill" not in printed.out


def test_the_model_has_the_tokens_asked_for(config):
    model = build_untrained(config(), vocab_size=12, fs=8000)
    assert not model.training
    assert model.ctc.ctc_lo.out_features == 12 and len(model.token_list) == 12
    assert model.token_list[0] == "<blank>" and model.token_list[-1] == "<sos/eos>"
    assert model.frontend.hop_length == 320


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"encoder": "nobody"}, r"small.yaml: cannot be built: .*conformer.*nobody"),
        ({"encoder_conf": {"width": 3}}, r"small.yaml: cannot be built: .*'width'"),
        ({"model_conf": {}}, r"small.yaml: cannot be built: decoder should not be"),
        ({"frontend_conf": {"fs": 8000}}, r"is for 8000 Hz, got 16000 Hz.*fs: auto"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_named(config, changes, message):
    with pytest.raises(ValueError, match=message):
        build_untrained(config(**changes), vocab_size=10, fs=16000)


def test_too_few_tokens_are_refused(config, capsys):
    error = fails(["--configs", config(), "--vocab_size", 2], capsys)
    assert "--vocab_size must be at least 3, the special tokens, got 2." in error


def test_a_file_that_is_no_mapping_is_refused(tmp_path, capsys):
    (tmp_path / "list.yaml").write_text("- 1\n")
    error = fails(["--configs", tmp_path / "list.yaml"], capsys)
    assert "list.yaml: expected a yaml mapping, got list." in error
