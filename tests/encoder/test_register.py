import pytest
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.tasks.asr import ASRTask, encoder_choices

from espnet_tutornet.encoder import register
from espnet_tutornet.encoder.register import ENCODERS, needing_us, register_encoders

SMALL = {
    "jasper": dict(blocks=[dict(filters=4, kernel=3, stride=2)]),
    "deepspeech2": dict(conv_channels=2, num_layers=1, hidden_size=3, output_size=4),
}


@pytest.fixture
def stock(monkeypatch):
    """Leave ESPnet the encoders that it has by itself."""
    ours = {*ENCODERS, *map(needing_us, ENCODERS)}
    own = {k: v for k, v in encoder_choices.classes.items() if k not in ours}
    monkeypatch.setattr(encoder_choices, "classes", own)
    return own


def _args(make_args, encoder, name):
    args = make_args()
    args.encoder, args.encoder_conf = encoder, SMALL[name]
    return args


def test_importing_the_module_registers():
    for name, encoder in register.ENCODERS.items():
        assert encoder_choices.get_class(name) is encoder
        assert encoder_choices.get_class(needing_us(name)) is encoder


def test_registration_adds_and_replaces_nothing(stock):
    before = dict(stock)
    register_encoders()
    register_encoders()
    added = {k: v for k, v in stock.items() if k not in before}
    assert sorted(added) == sorted([*ENCODERS, *map(needing_us, ENCODERS)])
    assert {k: stock[k] for k in before} == before
    assert all(issubclass(encoder, AbsEncoder) for encoder in added.values())


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_names_survive_the_lower_case_of_espnet(name):
    assert needing_us(name) == needing_us(name).lower()


@pytest.mark.parametrize("name", sorted(ENCODERS))
@pytest.mark.parametrize("spelled", [str, needing_us])
def test_espnet_builds_it_under_either_name(make_args, name, spelled):
    model = ASRTask.build_model(_args(make_args, spelled(name), name))
    assert type(model.encoder) is ENCODERS[name]
    assert model.encoder.output_size() == 4


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_the_error_of_stock_espnet_says_what_to_run(stock, make_args, name):
    with pytest.raises(ValueError) as error:
        ASRTask.build_model(_args(make_args, needing_us(name), name))
    fix = "run python -m espnet_tutornet.bin.asr_inference)"
    assert str(error.value).endswith(f"--encoder {name} (of espnet_tutornet: {fix}")


def test_the_command_line_of_espnet_takes_it():
    command = ["--output_dir", "out", "--encoder", "Jasper"]
    assert ASRTask.get_parser().parse_args(command).encoder == "jasper"
    assert "espnet_tutornet" in ASRTask.get_parser().format_help()
