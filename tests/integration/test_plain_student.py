"""The exported and the packed student are plain ESPnet: no trace of this package."""

import argparse
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import torch
import yaml

pytestmark = pytest.mark.integration

RUN = "student_conformer_rkd_skd_seed1"
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "espnet_tutornet":
            raise ImportError(f"{name} is blocked in this process")

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def export(finished):
    return finished.exp / RUN / "export"


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Return an environment in which espnet_tutornet cannot be imported."""
    root = tmp_path_factory.mktemp("stock")
    (root / "sitecustomize.py").write_text(BLOCKER)
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return {"env": environment, "cwd": root}


def _strings(value):
    if isinstance(value, dict):
        return [s for item in value.items() for s in _strings(list(item))]
    if isinstance(value, list):
        return [s for item in value for s in _strings(item)]
    return [value] if isinstance(value, str) else []


def _decode(call, stock, recipe, finished, config, model, out, python=sys.executable):
    """Decode test-clean with stock ESPnet and return the hypotheses."""
    scp = finished.root / "data/test_clean/wav.scp"
    command = [python, "-m", "espnet2.bin.asr_inference", "--ngpu", "0"]
    command += ["--config", recipe / "conf/decode_ctc_bs1.yaml", "--key_file", scp]
    command += ["--data_path_and_name_and_type", f"{scp},speech,sound"]
    command += ["--asr_train_config", config, "--asr_model_file", model]
    call([*command, "--output_dir", out], **stock)
    return sorted((out / "1best_recog/text").read_text().splitlines())


@pytest.fixture(scope="module")
def decoded(finished):
    """Return the hypotheses of the recipe."""
    path = finished.decoded(RUN, "test_clean") / "text"
    lines = path.read_text().splitlines()
    assert all(len(line.split()) > 1 for line in lines)  # text to compare
    return lines


def test_the_dumped_config_is_plain(finished, students, methods):
    for student in students:
        for method in (*methods, "rkd"):
            run = finished.exp / f"{student}_{method}_seed1"
            conf = yaml.safe_load((run / "config.yaml").read_text())
            assert conf["model"] == "espnet"
            assert not [key for key in conf if "distill" in key]
            taught = method not in ("none", "rkd_task")
            assert (run / "distill.yaml").is_file() == taught


def test_the_exported_config_names_only_files_of_the_export(export, finished):
    text = (export / "config.yaml").read_text()
    conf = yaml.safe_load(text)
    assert conf["model"] == "espnet"
    for word in ("distill", "teacher", "tutornet"):
        assert word not in text.replace(str(finished.root), "")
    paths = [word for word in _strings(conf) if word.startswith("/")]
    assert paths == [f"{export}/feats_stats.npz"]
    assert sorted(os.listdir(export)) == ["config.yaml", "feats_stats.npz", "model.pth"]


def test_the_checkpoint_fills_the_stock_model(export):
    from espnet2.tasks.asr import ASRTask

    state_dict = torch.load(export / "model.pth", weights_only=True)
    conf = yaml.safe_load((export / "config.yaml").read_text())
    model = ASRTask.build_model(argparse.Namespace(**conf))
    result = model.load_state_dict(state_dict, strict=False)
    assert result.missing_keys == [] and result.unexpected_keys == []
    loaded, _ = ASRTask.build_model_from_file(
        export / "config.yaml", export / "model.pth", "cpu"
    )
    assert type(loaded).__module__ == "espnet2.asr.espnet_model"
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, state_dict[name]), name


def test_stock_espnet_decodes_the_export(
    call, stock, recipe, finished, export, decoded, tmp_path
):
    check = [sys.executable, "-c", "import espnet_tutornet"]
    assert "is blocked in this process" in call(check, status=1, **stock)
    files = export / "config.yaml", export / "model.pth"
    assert _decode(call, stock, recipe, finished, *files, tmp_path) == decoded


def test_the_packed_student_holds_no_local_path(finished):
    with zipfile.ZipFile(finished.exp / RUN / f"{RUN}.zip") as archive:
        names = archive.namelist()
        yamls = {
            n: yaml.safe_load(archive.read(n)) for n in names if n.endswith(".yaml")
        }
        blobs = [archive.read(name) for name in names]
    exported = ["config.yaml", "feats_stats.npz", "meta.yaml", "model.pth"]
    assert sorted(names) == ["MODEL_CARD.md", *exported]
    for name, value in yamls.items():
        assert not [s for s in _strings(value) if s.startswith(("/", ".."))], name
    assert not [blob for blob in blobs if str(finished.root).encode() in blob]


def test_the_packed_student_decodes_as_the_export_does(
    call, stock, recipe, finished, decoded, tmp_path
):
    from espnet2.main_funcs.pack_funcs import unpack

    files = unpack(finished.exp / RUN / f"{RUN}.zip", tmp_path / "unpacked")
    assert (
        _decode(
            call,
            stock,
            recipe,
            finished,
            files["asr_train_config"],
            files["asr_model_file"],
            tmp_path / "out",
        )
        == decoded
    )


def test_another_release_of_espnet_decodes_the_same(
    call, stock, recipe, finished, export, decoded, tmp_path
):
    python = os.environ.get("TUTORNET_OTHER_PYTHON")
    if not python:
        pytest.skip("TUTORNET_OTHER_PYTHON names no other interpreter")
    version = [python, "-c", "import espnet; print(espnet.__version__)"]
    print(subprocess.run(version, capture_output=True, text=True, check=True).stdout)
    files = export / "config.yaml", export / "model.pth"
    found = _decode(call, stock, recipe, finished, *files, tmp_path, python=python)
    assert found == decoded


def test_stock_espnet_streams_a_delayed_student(finished, call, conf, tmp_path):
    """A chunked student of a full-context teacher, decoded chunk by chunk."""
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    for name in ("teacher", "stats_teacher"):
        shutil.copytree(finished.exp / name, here.exp / name)
    above = tmp_path / "skd.yaml"
    above.write_text("distill_conf: {delay: 2, terms: {skd: {weight: 1.0}}}\n")
    options = dict(student_asr_config=conf / "train_student_streaming.yaml")
    options.update(methods="skd", skd_config=above, total_epochs=2, rkd_epochs=1)
    options.update(test_sets="test_clean", use_streaming="true")
    for stage, stop in ((5, 5), (11, 13)):
        call(here.command(stage=stage, stop_stage=stop, **options))
    run = here.exp / "student_streaming_skd_seed1"
    assert "delay: 2" in (run / "distill.yaml").read_text()
    log = (here.decoded(run.name, "test_clean") / "decode.log").read_text()
    assert "asr_inference_streaming --sim_chunk_length 640" in log
    text = here.decoded(run.name, "test_clean") / "text"
    assert len(text.read_text().splitlines()) == 6


def test_a_student_with_an_encoder_of_ours_says_what_runs_it(
    finished, call, conf, recipe, tmp_path
):
    """From RKD to the packed model, whose configuration and card name the command."""
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    for name in ("teacher", "stats_teacher"):
        shutil.copytree(finished.exp / name, here.exp / name)
    options = dict(student_asr_config=conf / "train_student_jasper.yaml")
    options.update(methods="none rkd_skd", total_epochs=2, rkd_epochs=1)
    call(here.command(stage=5, skip_stages="6 7", test_sets="test_clean", **options))
    run = here.exp / "student_jasper_rkd_skd_seed1"
    ours = "python -m espnet_tutornet.bin.asr_inference"
    with zipfile.ZipFile(run / f"{run.name}.zip") as archive:
        packed = yaml.safe_load(archive.read("config.yaml"))
        assert packed["encoder"] == "jasper" and ours in packed["espnet_tutornet"]
        assert ours in archive.read("MODEL_CARD.md").decode()
    log = here.decoded(run.name, "test_clean") / "decode.log"
    assert log.read_text().startswith(f"# {ours} ")
    command = log.read_text().splitlines()[0].split()[3:]
    command[command.index("--output_dir") + 1] = str(tmp_path / "out")
    stock = [sys.executable, "-m", "espnet2.bin.asr_inference", *command[1:]]
    assert "--encoder jasper" in call(stock, status=1, cwd=recipe)
