import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import torch
import yaml
from espnet2.main_funcs.pack_funcs import pack
from hub_server import Hub
from malicious import Malicious

from espnet_tutornet.bin.bring_teacher import main
from espnet_tutornet.teacher.bring import bring_teacher
from espnet_tutornet.teacher.loading import load_model
from espnet_tutornet.utils.packed import unpack
from espnet_tutornet.utils.trained import find_files, resolve_paths


@pytest.fixture(scope="module")
def training(save_asr, tmp_path_factory):
    """Return the directory of a trained model with statistics of its features."""
    root = tmp_path_factory.mktemp("training")
    (root / "exp/stats").mkdir(parents=True)
    ones = np.ones(20)
    stats = "exp/stats/feats_stats.npz"
    np.savez(root / stats, count=2.0, sum=ones, sum_square=3 * ones)
    here = os.getcwd()
    os.chdir(root)
    try:
        conf = dict(stats_file=stats)
        save_asr(root / "exp/asr", 5, normalize="global_mvn", normalize_conf=conf)
    finally:
        os.chdir(here)
    return root


@pytest.fixture(scope="module")
def packed(training, tmp_path_factory):
    """Return the archive that ESPnet's packer makes of the model."""
    archive = tmp_path_factory.mktemp("packed") / "asr.zip"
    here = os.getcwd()
    os.chdir(training)
    try:
        pack(
            files={"asr_model_file": "exp/asr/model.pth"},
            yaml_files={"asr_train_config": "exp/asr/config.yaml"},
            option=["exp/stats/feats_stats.npz"],
            outpath=str(archive),
        )
    finally:
        os.chdir(here)
    return archive


@pytest.fixture
def unpacked(packed, tmp_path):
    directory = tmp_path / "unpacked"
    with zipfile.ZipFile(packed) as content:
        content.extractall(directory)
    return directory


@pytest.fixture
def hub(unpacked):
    server = Hub(unpacked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def check(config, model, training):
    """Load what was brought, from another directory than it was packed in."""
    loaded, _ = load_model(config, model)
    expected = torch.load(training / "exp/asr/model.pth", weights_only=True)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_a_packed_archive(packed, training, tmp_path):
    out_dir = tmp_path / "teacher"
    check(*bring_teacher(str(packed), out_dir), training)
    first = (out_dir / "unpacked").stat().st_mtime_ns
    check(*bring_teacher(str(packed), out_dir), training)
    assert (out_dir / "unpacked").stat().st_mtime_ns == first, "unpacked once"


def test_a_packed_tar(unpacked, training, tmp_path):
    archive = tmp_path / "asr.tar.gz"
    with tarfile.open(archive, "w:gz") as content:
        for path in unpacked.iterdir():
            content.add(path, path.name)
    check(*bring_teacher(str(archive), tmp_path / "teacher"), training)


def test_an_unpacked_directory(unpacked, training, tmp_path):
    before = (unpacked / "exp/asr/config.yaml").read_text()
    check(*bring_teacher(str(unpacked), tmp_path / "teacher"), training)
    assert (unpacked / "exp/asr/config.yaml").read_text() == before


def test_a_directory_with_one_model(teacher_files, tmp_path):
    directory = tmp_path / "exp"
    directory.mkdir()
    for path in teacher_files:
        shutil.copy(path, directory)
    (directory / "checkpoint.pth").write_bytes(b"of the training")
    config, model = bring_teacher(str(directory), tmp_path / "teacher")
    load_model(config, model)
    (directory / "2epoch.pth").write_bytes(b"another")
    with pytest.raises(ValueError, match="2epoch.pth.*one .pth.*--teacher_model"):
        find_files(directory)


TRAINING = ("checkpoint.pth", "1epoch.pth", "2epoch.pth", "latest.pth")


@pytest.mark.parametrize(
    "files, chosen",
    [
        ("valid.acc.ave.pth valid.acc.ave_5best.pth valid.loss.ave.pth", 0),
        ("valid.acc.ave_10best.pth valid.acc.ave_5best.pth valid.acc.best.pth", 0),
        ("valid.loss_ctc.ave.pth valid.cer_ctc.ave.pth valid.acc.best.pth", 1),
        ("valid.wer.ave.pth train.loss.best.pth", 0),
        ("valid.cer_ctc.best.pth valid.acc.best.pth", 1),
        ("latest.pth", 0),
    ],
)
def test_a_training_is_brought_as_espnet_would_decode_it(tmp_path, files, chosen):
    criteria = [["valid", "cer_ctc", "min"], ["valid", "loss", "min"]]
    conf = {"token_list": ["a"], "best_model_criterion": criteria}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(conf))
    (tmp_path / "run.yaml").write_text("method: teacher\n")
    for name in (*TRAINING, *files.split()):
        (tmp_path / name).write_bytes(b"")
    found = find_files(tmp_path)
    assert found == (tmp_path / "config.yaml", tmp_path / files.split()[chosen])
    assert find_files(tmp_path, "2epoch.pth")[1] == tmp_path / "2epoch.pth"
    with pytest.raises(ValueError, match="has 1epoch.pth.*expected 9epoch.pth.*_model"):
        find_files(tmp_path, "9epoch.pth")
    with pytest.raises(ValueError, match="expected checkpoint.pth"):
        find_files(tmp_path, "checkpoint.pth")


def test_the_only_training_below_a_directory_is_brought(training, tmp_path):
    config, model = bring_teacher(str(training), tmp_path / "teacher")
    check(config, model, training)
    found = yaml.safe_load(config.read_text())["normalize_conf"]["stats_file"]
    assert found == str(training / "exp/stats/feats_stats.npz"), "looked for upwards"


def test_a_training_is_not_written_into(training):
    before = (training / "exp/asr/config.yaml").read_text()
    with pytest.raises(ValueError, match="is where the teacher is to be brought"):
        bring_teacher(str(training / "exp/asr"), training / "exp/asr")
    assert (training / "exp/asr/config.yaml").read_text() == before
    assert not (training / "exp/asr/model.pth").is_symlink()


def test_two_trainings_in_one_directory_are_refused(training, tmp_path):
    both = tmp_path / "exp"
    for name in ("a", "b"):
        shutil.copytree(training / "exp/asr", both / name)
    with pytest.raises(ValueError, match="2 are below it, a, b: give one of them"):
        find_files(both)
    shutil.copy(both / "b/config.yaml", both / "a/config_old.yaml")
    with pytest.raises(
        ValueError, match="two trained models, config.yaml and conf.*ol"
    ):
        find_files(both / "a")


def test_what_the_pth_holds_is_not_looked_for(training, tmp_path):
    where = tmp_path / "elsewhere"
    shutil.copytree(training / "exp/asr", where)
    config, model = bring_teacher(str(where), tmp_path / "teacher")
    check(config, model, training)


@pytest.mark.parametrize(
    "added, message",
    [
        (dict(lang="eng"), "of ESPnet's task asr, which hears audio.*for OWSM-CTC"),
        (dict(task="asr"), "for OWSM-CTC. Remove them"),
    ],
)
def test_what_a_model_cannot_be_told_is_refused(training, tmp_path, added, message):
    with pytest.raises(ValueError, match=message):
        bring_teacher(str(training / "exp/asr"), tmp_path / "t", added=added)


@pytest.mark.parametrize(
    "keys, message",
    [
        (
            {"src_token_list": ["a"]},
            "task st .speech translation., expected one of asr",
        ),
        ({"subtask_series": "enh"}, "task enh_s2t .enhancement"),
        ({"deliberationencoder": "rnn"}, "slu whose deliberation encoder reads a tran"),
    ],
)
def test_models_of_tasks_that_cannot_teach_are_named(tmp_path, keys, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"token_list": [], **keys}))
    (tmp_path / "model.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        bring_teacher(str(tmp_path), tmp_path / "t")


def test_two_files_are_brought_with_what_is_added(teacher_files, tmp_path):
    words = ["--asr_train_config", teacher_files[0], "--asr_model_file"]
    words += [teacher_files[1], "--out_dir", tmp_path, "--teacher_fs", 8000]
    main(list(map(str, words)))
    _, args = load_model(tmp_path / "config.yaml", tmp_path / "model.pth")
    assert args.tutornet_teacher == {"fs": 8000}
    with pytest.raises(SystemExit):
        main(["--out_dir", str(tmp_path), "--asr_model_file", str(teacher_files[1])])


def test_an_address_is_resumed_when_cut_and_kept(
    packed, training, hub, tmp_path, monkeypatch
):
    # no address needs the library of the hub
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", None)
    shutil.copy(packed, hub.root / "asr.zip")
    with zipfile.ZipFile(hub.root / "asr.zip", "a") as content:
        noise = np.random.default_rng(0).bytes(400_000)  # does not shrink
        content.writestr("noise", noise)
    url, cache = f"{hub.url}/files/asr.zip?download=1", tmp_path / "cache"
    hub.cuts = 1
    check(*bring_teacher(url, tmp_path / "teacher", cache), training)
    ranges = [r for method, _, r in hub.requests if method == "GET"]
    assert ranges[0] is None and ranges[1] in ("bytes=131072-", "bytes=196608-")
    hub.requests.clear()
    check(*bring_teacher(url, tmp_path / "again", cache), training)
    assert not hub.requests, "taken from the cache"


def test_an_address_that_is_not_there(hub, tmp_path):
    with pytest.raises(RuntimeError, match="cannot be downloaded.*404.*packed model"):
        bring_teacher(f"{hub.url}/files/no.zip", tmp_path / "t", tmp_path / "cache")


def test_a_tag_without_the_library_of_the_hub_says_what_to_install(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", None)
    said = r"espnet_model_zoo.* --teacher me/model needs.*'espnet_tutornet\[hub\]'"
    with pytest.raises(RuntimeError, match=said):
        bring_teacher("me/model", tmp_path / "t", tmp_path / "cache")


def run_command(name, out_dir, endpoint, cache):
    """Bring a tag in a process that knows the hub at ``endpoint``."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache / "hf")}
    command = [sys.executable, "-m", "espnet_tutornet.bin.bring_teacher"]
    command += ["--teacher", name, "--out_dir", str(out_dir)]
    command += ["--cache_dir", str(cache)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_tag_of_the_hub_and_then_without_network(hub, training, tmp_path):
    cache, out_dir = tmp_path / "cache", tmp_path / "teacher"
    done = run_command("me/model", out_dir, hub.url, cache)
    assert done.returncode == 0, done.stderr
    check(out_dir / "config.yaml", out_dir / "model.pth", training)
    unknown = run_command("me/unknown", out_dir, hub.url, cache)
    assert unknown.returncode == 1
    assert "no such model at the hub" in unknown.stderr
    gated = run_command("me/gated", out_dir, hub.url, cache)
    assert gated.returncode == 1
    assert "Accept its terms at https://huggingface.co/me/gated" in gated.stderr
    nowhere = "http://127.0.0.1:9"  # the port of discard: nobody listens
    again = run_command("me/model", tmp_path / "again", nowhere, cache)
    assert again.returncode == 0, again.stderr
    check(tmp_path / "again/config.yaml", tmp_path / "again/model.pth", training)
    other = run_command("me/other", out_dir, nowhere, cache)
    assert other.returncode == 1
    assert "Connect to the network" in other.stderr


def zip_with(path, name, link=False):
    with zipfile.ZipFile(path, "w") as content:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (0o120777 if link else 0o644) << 16
        content.writestr(entry, "/etc/passwd")


@pytest.mark.parametrize(
    "name, link",
    [("../out", False), ("a/../../out", False), ("/out", False), ("out", True)]
    + [("C:\\out", False)],
)
def test_a_zip_that_reaches_out_is_refused(tmp_path, name, link):
    zip_with(tmp_path / "bad.zip", name, link)
    with pytest.raises(ValueError, match="bad.zip is refused.*would leave"):
        bring_teacher(str(tmp_path / "bad.zip"), tmp_path / "deep/teacher")
    assert not list(tmp_path.rglob("out"))


def test_a_tar_that_reaches_out_is_refused(tmp_path):
    with tarfile.open(tmp_path / "bad.tar", "w") as content:
        member = tarfile.TarInfo("../out")
        member.size = 1
        content.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="bad.tar is refused"):
        bring_teacher(str(tmp_path / "bad.tar"), tmp_path / "deep/teacher")
    assert not list(tmp_path.rglob("out"))


def test_a_meta_that_points_outside_is_refused(tmp_path):
    (tmp_path / "secret.pth").write_bytes(b"")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.yaml").write_text("a: 1")
    meta = {"yaml_files": {"asr_train_config": "config.yaml"}}
    meta["files"] = {"asr_model_file": "../secret.pth"}
    (model / "meta.yaml").write_text(yaml.safe_dump(meta))
    with pytest.raises(ValueError, match="secret.pth, which is not in"):
        find_files(model)


def test_a_pickle_in_a_packed_model_is_not_executed(unpacked, tmp_path):
    trap = tmp_path / "executed"
    content = pickle.dumps(Malicious(trap))
    (unpacked / "exp/asr/model.pth").write_bytes(content)
    config, model = bring_teacher(str(unpacked), tmp_path / "teacher")
    with pytest.raises(ValueError, match="cannot be read as parameters"):
        load_model(config, model)
    (unpacked / "exp/stats/feats_stats.npz").write_bytes(content)
    with pytest.raises(Exception):
        load_model(config, model)
    assert not trap.exists()


def test_what_is_no_archive_or_holds_no_model_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK not an archive")
    with pytest.raises(ValueError, match="a.zip is not a packed ESPnet model"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    zip_with(tmp_path / "b.zip", "readme")
    with pytest.raises(ValueError, match="neither a packed model.*_asr_model_file"):
        bring_teacher(str(tmp_path / "b.zip"), tmp_path / "out")


def test_a_damaged_archive_is_refused(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    content[len(content) // 3] ^= 255
    (tmp_path / "asr.zip").write_bytes(content)
    with pytest.raises(ValueError, match="asr.zip is refused: Bad CRC.*remove it"):
        bring_teacher(str(tmp_path / "asr.zip"), tmp_path / "out")
    assert not (tmp_path / "out/unpacked").exists()


def test_a_model_of_another_task_is_refused(tmp_path):
    (tmp_path / "meta.yaml").write_text("yaml_files: {tts_train_config: c.yaml}")
    with pytest.raises(ValueError, match="names no ASR model.*another task"):
        find_files(tmp_path)


def test_paths_of_the_package_become_absolute_and_tokens_stay(tmp_path):
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp/bpe.model").write_text("")
    conf = {"bpemodel": "exp/bpe.model", "a": {"b": ["exp/bpe.model", "exp", "c"]}}
    conf["token_list"] = ["exp/bpe.model"]
    conf["other"] = "../" + tmp_path.name + "/../etc"
    found = resolve_paths(conf, [tmp_path])
    path = str(tmp_path / "exp/bpe.model")
    assert found["bpemodel"] == path
    assert found["a"]["b"] == [path, "exp", "c"]
    assert found["token_list"] == conf["token_list"]
    assert found["other"] == conf["other"]


def test_the_command_says_in_one_line_what_is_wrong(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as stop:
        main(["--teacher", str(tmp_path / "empty"), "--out_dir", str(tmp_path / "o")])
    assert stop.value.code == 1
    assert "is neither a packed model" in capsys.readouterr().err
