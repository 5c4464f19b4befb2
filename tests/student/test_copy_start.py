"""A student that begins as blocks of its teacher."""

import re

import pytest
import torch
import yaml

from espnet_tutornet.bin.copy_start import main
from espnet_tutornet.student.copy_start import choose_layers, copy_start

TOKENS = ["<blank>", "<unk>", "A", "B", "C", "D", "<sos/eos>"]
FS = 16000


@pytest.fixture(scope="module")
def teacher(build_asr, shake):
    blocks = dict(num_blocks=3)
    return shake(build_asr(1, "conformer", encoder_conf=blocks)).state_dict()


def student_of(build_asr, encoder="conformer", **given):
    return build_asr(2, encoder, **given)


@pytest.mark.parametrize(
    "count, of, wanted, layers",
    [
        (1, 4, None, [0]),
        (2, 4, None, [0, 3]),
        (3, 5, None, [0, 2, 4]),
        (4, 4, None, [0, 1, 2, 3]),
        (2, 4, [3, 1], [3, 1]),
        (2, 1, [0, 0], [0, 0]),
    ],
)
def test_layers_are_evenly_spaced_or_those_that_are_wanted(count, of, wanted, layers):
    assert choose_layers(count, of, wanted) == layers


@pytest.mark.parametrize("wanted", [[0], [0, 4], [0, -1], [0, 1.0], [True, 0]])
def test_layers_that_are_not_there_are_refused(wanted):
    with pytest.raises(ValueError, match="must be 2 numbers from 0 to 3, one for each"):
        choose_layers(2, 4, wanted)


def test_more_blocks_than_the_teachers_are_refused():
    with pytest.raises(ValueError, match="has 3 blocks, its teacher 2.*copy_layers"):
        choose_layers(3, 2)


def test_blocks_and_what_is_around_them_are_the_teachers(build_asr, teacher):
    student = student_of(build_asr, encoder_conf=dict(num_blocks=2))
    start = copy_start(student.state_dict(), teacher, (TOKENS, TOKENS))
    assert start.layers == [0, 2] and not start.left and start.tokens == 7
    student.load_state_dict(start.parameters)  # every name, and no other
    for own, theirs in ((0, 0), (1, 2)):
        name = "encoder.encoders.{}.norm_mha.bias"
        assert torch.equal(
            start.parameters[name.format(own)], teacher[name.format(theirs)]
        )
    kept = "encoder.embed.conv.0.weight"
    assert torch.equal(start.parameters[kept], teacher[kept])
    chosen = copy_start(student.state_dict(), teacher, (TOKENS, TOKENS), [1, 1])
    name = "encoder.encoders.0.norm_mha.bias"
    assert torch.equal(
        chosen.parameters[name], teacher["encoder.encoders.1.norm_mha.bias"]
    )


def test_with_all_blocks_it_is_its_teacher(build_asr, teacher, batch):
    """Its CTC loss, and with a decoder the loss of that, too."""
    for hybrid in (False, True):
        blocks = dict(encoder_conf=dict(num_blocks=3), hybrid=hybrid)
        one, two = (build_asr(seed, "conformer", **blocks) for seed in (1, 2))
        start = copy_start(two.state_dict(), one.state_dict(), (TOKENS, TOKENS))
        before = two(**batch)[0]
        two.load_state_dict(start.parameters)
        torch.testing.assert_close(two(**batch)[0], one(**batch)[0])
        assert not torch.allclose(before, one(**batch)[0])


def test_rows_of_tokens_that_both_have_are_taken_over(build_asr, teacher):
    own = ["<blank>", "<unk>", "D", "E", "A", "<sos/eos>"]
    student = student_of(build_asr, token_list=own).state_dict()
    before = student["ctc.ctc_lo.weight"].clone()
    start = copy_start(student, teacher, (own, TOKENS))
    rows, theirs = start.parameters["ctc.ctc_lo.weight"], teacher["ctc.ctc_lo.weight"]
    for row, token in enumerate(own):
        expected = before[row] if token == "E" else theirs[TOKENS.index(token)]
        assert torch.equal(rows[row], expected)
    assert start.tokens == 5
    assert torch.equal(student["ctc.ctc_lo.weight"], before)


def test_a_decoder_that_the_teacher_lacks_stays_random(build_asr, teacher):
    student = student_of(build_asr, hybrid=True).state_dict()
    start = copy_start(student, teacher, (TOKENS, TOKENS))
    assert start.left and all(name.startswith("decoder.") for name in start.left)


def test_the_normalisation_that_the_blocks_are_used_to_comes_along(build_asr, teacher):
    student = student_of(build_asr).state_dict()
    known = {**teacher, "normalize.mean": torch.ones(20)}
    start = copy_start(student, known, (TOKENS, TOKENS))
    assert torch.equal(start.parameters["normalize.mean"], torch.ones(20))


@pytest.mark.parametrize(
    "encoder, given, message",
    [
        (
            "conformer",
            dict(encoder_conf=dict(output_size=12)),
            r"conv.0.weight: student \(12, 1, 3, 3\), teacher \(8, 1, 3, 3\);.* more\.",
        ),
        ("branchformer", {}, r"encoders.0.\S+: student \(.*, teacher none"),
        ("rnn", {}, "student's encoder has 0 blocks named encoder.encoders, its"),
        (
            "conformer",
            dict(frontend_conf=dict(n_mels=40)),
            r"frontend.logmel.melmat: student \(257, 40\), teacher \(257, 20\)",
        ),
    ],
)
def test_encoders_that_differ_are_refused_by_shape(
    build_asr, teacher, encoder, given, message
):
    student = student_of(build_asr, encoder, **given).state_dict()
    with pytest.raises(ValueError, match=message):
        copy_start(student, teacher, (TOKENS, TOKENS))


@pytest.fixture
def files(save_asr, make_args, tmp_path):
    config, model = save_asr(tmp_path / "teacher", 1, encoder_conf=dict(num_blocks=3))
    keys = ("encoder", "encoder_conf", "frontend_conf", "model_conf")
    conf = {key: vars(make_args())[key] for key in keys}
    conf["frontend_conf"] = {**conf["frontend_conf"], "fs": "auto"}
    (tmp_path / "train_a.yaml").write_text(yaml.safe_dump(conf))
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    (tmp_path / "copy.yaml").write_text("copy_layers: [2, 0]\n")
    words = ["--student_config", tmp_path / "train_a.yaml", "--fs", FS]
    words += ["--teacher_config", config, "--teacher_model", model]
    words += ["--token_list", tmp_path / "tokens.txt"]
    words += ["--output", tmp_path / "start/model.pth"]
    return tmp_path, [str(word) for word in words]


def test_the_command_writes_what_espnet_loads(files, build_student, capsys):
    from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

    folder, words = files
    main(words)
    said = capsys.readouterr().out
    assert said.endswith("model.pth: blocks 0 2 of the teacher, 7 of 7 tokens\n")
    student = build_student(3)
    load_pretrained_model(f"{folder}/start/model.pth", student, False)
    taken = torch.load(folder / "start/model.pth", weights_only=True)
    assert torch.equal(
        student.state_dict()["ctc.ctc_lo.bias"], taken["ctc.ctc_lo.bias"]
    )
    main([*words, "--overlay", str(folder / "copy.yaml")])
    assert "blocks 2 0 of the teacher" in capsys.readouterr().out


def test_a_fit_is_checked_before_the_teacher_is_trained(files, capsys):
    folder, words = files
    conf = yaml.safe_load((folder / "train_a.yaml").read_text())
    options = ["--student_config", words[1], "--fs", str(FS)]
    options += ["--token_list", str(folder / "tokens.txt"), "--teacher_config"]
    for blocks, width, said in (
        (3, 8, "fits .*train_teacher.yaml: blocks .0, 2"),
        (3, 12, r"train_a.yaml and .*student \(8, 1, 3, 3\), teacher \(12, 1"),
    ):
        conf["encoder_conf"].update(num_blocks=blocks, output_size=width)
        (folder / "train_teacher.yaml").write_text(yaml.safe_dump(conf))
        command = [*options, str(folder / "train_teacher.yaml")]
        if width == 8:
            main(command)
        else:
            with pytest.raises(SystemExit, match="1"):
                main(command)
        assert re.search(said, "".join(capsys.readouterr()))
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--output", "x"])


def test_an_overlay_of_other_keys_is_refused(files, capsys):
    folder, words = files
    (folder / "copy.yaml").write_text("layers: [2, 0]\n")
    with pytest.raises(SystemExit, match="1"):
        main([*words, "--overlay", str(folder / "copy.yaml")])
    assert (
        "unknown keys ['layers']. Known keys: ['copy_layers']"
        in capsys.readouterr().err
    )
