import zipfile

import numpy as np
import pytest
import torch
import yaml

from espnet_tutornet.bin.pack_student import main


@pytest.fixture
def export(tmp_path):
    """Return an export of three files; packing does not look into them."""
    export = tmp_path / "exp/run/export"
    export.mkdir(parents=True)
    conf = {
        "token_list": ["<blank>", "/", "A"],
        "normalize_conf": {"stats_file": f"{export}/feats_stats.npz"},
        "list": [f"{export}/feats_stats.npz", 1, None],
    }
    (export / "config.yaml").write_text(yaml.safe_dump(conf))
    np.savez(export / "feats_stats.npz", count=1)
    torch.save({"weight": torch.ones(2)}, export / "model.pth")
    return export


def test_the_archive_holds_the_export_without_its_place(export, capsys):
    before = (export / "config.yaml").read_bytes()
    main(["--expdir", str(export.parent)])
    archive = export.parent / "run.zip"
    assert f"packed {archive}" in capsys.readouterr().out
    with zipfile.ZipFile(archive) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert set(files) == {"meta.yaml", "config.yaml", "feats_stats.npz", "model.pth"}
    assert yaml.safe_load(files["config.yaml"]) == {
        "token_list": ["<blank>", "/", "A"],
        "normalize_conf": {"stats_file": "feats_stats.npz"},
        "list": ["feats_stats.npz", 1, None],
    }
    meta = yaml.safe_load(files["meta.yaml"])
    assert meta["files"] == {"asr_model_file": "model.pth"}
    assert meta["yaml_files"] == {"asr_train_config": "config.yaml"}
    assert (export / "config.yaml").read_bytes() == before
    assert sorted(p.name for p in export.parent.iterdir()) == ["export", "run.zip"]


def test_the_archive_unpacks_where_it_is_wanted(export, tmp_path):
    from espnet2.main_funcs.pack_funcs import unpack

    (export.parent / "MODEL_CARD.md").write_text("# run\n")
    main(["--expdir", str(export.parent)])
    files = unpack(export.parent / "run.zip", tmp_path / "new")
    with open(files["asr_train_config"]) as f:
        conf = yaml.safe_load(f)
    stats = conf["normalize_conf"]["stats_file"]
    assert stats == f"{tmp_path}/new/feats_stats.npz"
    assert np.load(stats)["count"] == 1
    assert (tmp_path / "new/MODEL_CARD.md").read_text() == "# run\n"
    assert not (export / "MODEL_CARD.md").exists()


def test_without_an_export_it_says_what_to_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--expdir", str(tmp_path)])
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert f"no {tmp_path}/export/model.pth" in message and "stage 10 or 11" in message


def test_a_failure_of_the_packer_is_told(export, capsys):
    (export / "gone.npz").symlink_to("nowhere")
    (export.parent / "run.zip").write_text("old")
    with pytest.raises(SystemExit) as ended:
        main(["--expdir", str(export.parent)])
    assert ended.value.code == 1
    assert "gone.npz" in capsys.readouterr().err
    assert (export.parent / "run.zip").read_text() == "old"
