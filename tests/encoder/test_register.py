import pytest
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.tasks.asr import ASRTask, encoder_choices

from espnet_tutornet.encoder import register
from espnet_tutornet.encoder.register import ENCODERS, register_encoders
from espnet_tutornet.experiment.traits import OUR_ENCODERS

SMALL = {
    "jasper": dict(blocks=[dict(filters=4, kernel=3, stride=2)]),
    "deepspeech2": dict(conv_channels=2, num_layers=1, hidden_size=3, output_size=4),
}


@pytest.fixture
def stock(monkeypatch):
    """Leave ESPnet the encoders that it has by itself."""
    own = {k: v for k, v in encoder_choices.classes.items() if k not in ENCODERS}
    monkeypatch.setattr(encoder_choices, "classes", own)
    return own


def _args(make_args, name):
    args = make_args()
    args.encoder, args.encoder_conf = name, SMALL[name]
    return args


def test_importing_the_module_registers():
    for name, encoder in register.ENCODERS.items():
        assert encoder_choices.get_class(name) is encoder


def test_those_who_load_no_espnet_know_the_same_names():
    assert sorted(OUR_ENCODERS) == sorted(ENCODERS)


def test_registration_adds_and_replaces_nothing(stock):
    before = dict(stock)
    register_encoders()
    register_encoders()
    added = {k: v for k, v in stock.items() if k not in before}
    assert sorted(added) == sorted(ENCODERS)
    assert {k: stock[k] for k in before} == before
    assert all(issubclass(encoder, AbsEncoder) for encoder in added.values())


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_espnet_builds_it(make_args, name):
    model = ASRTask.build_model(_args(make_args, name))
    assert type(model.encoder) is ENCODERS[name]
    assert model.encoder.output_size() == 4


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_stock_espnet_refuses_it_by_its_name(stock, make_args, name):
    with pytest.raises(ValueError, match=f"--encoder {name}$"):
        ASRTask.build_model(_args(make_args, name))


def test_the_command_line_of_espnet_takes_it():
    command = ["--output_dir", "out", "--encoder", "Jasper"]
    assert ASRTask.get_parser().parse_args(command).encoder == "jasper"
