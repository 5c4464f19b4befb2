import argparse

import numpy as np
import pytest
import torch
import yaml

from espnet_tutornet.bin.export_student import main
from espnet_tutornet.encoder.register import ENCODERS
from espnet_tutornet.teacher.loading import load_model
from espnet_tutornet.teacher.names import names_of_202511


@pytest.fixture
def training(save_asr, tmp_path):
    """Return the directory of a training: local paths, statistics, adapters."""
    stats = tmp_path / "stats/feats_stats.npz"
    stats.parent.mkdir()
    np.savez(stats, count=4, sum=np.zeros(20), sum_square=np.full(20, 4.0))
    run = tmp_path / "exp/run"
    config, model = save_asr(
        run, 0, normalize="global_mvn", normalize_conf={"stats_file": str(stats)}
    )
    conf = yaml.safe_load(config.read_text())
    conf.update(model="espnet", output_dir=str(run), init_param=["a.pth:b:c"])
    conf.update(non_linguistic_symbols=str(tmp_path / "symbols.txt"))
    config.write_text(yaml.safe_dump(conf))
    state_dict = torch.load(model, weights_only=True)
    state_dict["distiller.terms.rkd.loss.adapter.weight"] = torch.ones(2)
    torch.save(state_dict, run / "last.pth")
    model.unlink()
    return run


def _export(run, checkpoint="last.pth"):
    main(["--expdir", str(run), "--checkpoint", checkpoint])
    return run / "export"


def test_a_student_of_any_encoder_comes_out(save_asr, tmp_path, encoder_name):
    config, model = save_asr(tmp_path / "run", 0, encoder_name)
    export = _export(config.parent, model.name)
    filled, _ = load_model(export / "config.yaml", export / "model.pth")
    trained, _ = load_model(config, model)
    pairs = zip(filled.state_dict().values(), trained.state_dict().values())
    assert all(torch.equal(mine, its) for mine, its in pairs)
    conf = yaml.safe_load((export / "config.yaml").read_text())
    ours = "python -m espnet_tutornet.bin.asr_inference"
    assert (ours in conf.get("espnet_tutornet", "")) == (conf["encoder"] in ENCODERS)


def test_the_export_fills_a_stock_model(training, tokens):
    from espnet2.tasks.asr import ASRTask

    export = _export(training)
    conf = yaml.safe_load((export / "config.yaml").read_text())
    model = ASRTask.build_model(argparse.Namespace(**conf))
    state_dict = torch.load(export / "model.pth", weights_only=True)
    assert set(state_dict) == set(names_of_202511(model.state_dict()))
    result = model.load_state_dict(dict(state_dict), strict=False)
    assert result.missing_keys == [] and result.unexpected_keys == []
    source = torch.load(training / "last.pth", weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, source[name]), name


def test_the_export_names_no_path_but_its_own(training):
    export = _export(training)
    conf = yaml.safe_load((export / "config.yaml").read_text())
    assert conf["normalize_conf"]["stats_file"] == f"{export}/feats_stats.npz"
    assert (export / "feats_stats.npz").is_file()
    for key in ("output_dir", "init_param", "train_shape_file", "distill_conf"):
        assert key not in conf
    text = (export / "config.yaml").read_text().replace(f"{export}/", "")
    assert str(training.parent.parent) not in text


def test_the_training_itself_stays_as_it_was(training):
    before = (training / "config.yaml").read_bytes()
    _export(training)
    assert (training / "config.yaml").read_bytes() == before


def test_an_export_that_fails_leaves_the_old_one(training, capsys):
    export = _export(training)
    before = {path.name: path.read_bytes() for path in export.iterdir()}
    state_dict = torch.load(training / "last.pth", weights_only=True)
    state_dict.popitem()  # the adapter
    name, _ = state_dict.popitem()
    torch.save(state_dict, training / "half.pth")
    with pytest.raises(SystemExit) as ended:
        _export(training, "half.pth")
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert "half.pth does not fill the ESPnet model" in message and name in message
    assert {path.name: path.read_bytes() for path in export.iterdir()} == before


@pytest.mark.parametrize("missing", ["config.yaml", "last.pth"])
def test_a_missing_file_is_named(training, capsys, missing):
    (training / missing).unlink()
    with pytest.raises(SystemExit) as ended:
        _export(training)
    assert ended.value.code == 1
    assert str(training / missing) in capsys.readouterr().err
    assert not (training / "export").exists()
