"""Bad input ends a stage with one clear message and leaves earlier products whole."""

import json
import resource
import shutil
import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

pytestmark = pytest.mark.integration


@pytest.fixture
def own_corpus(corpus, prepared, tmp_path):
    """Return a setup with its own corpus and its own copy of what is prepared."""
    here = prepared.elsewhere(tmp_path, copied=("data", "dump"), fresh=["exp"])
    shutil.copytree(corpus, tmp_path / "corpus")
    here.options["corpus_dir"] = str(tmp_path / "corpus")
    return here


def _first(here, pattern):
    return sorted((here.root / "corpus/train-clean").glob(f"*/*/{pattern}"))[0]


def _contents(*folders):
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _sets(here):
    """Return what later stages read: not what is kept of the source and the work."""
    found = here.root.glob("data/*")
    return _contents(*(path for path in found if path.name not in ("org", "audio")))


def _remove_audio(here):
    path = _first(here, "*.flac")
    path.unlink()
    return [f"{path.stem}: a transcript without audio"]


def _break_audio(here):
    path = _first(here, "*.flac")
    path.write_bytes(b"not audio")
    return [f"{path}: cannot be read"]


def _cut_audio(here):
    path = _first(here, "*.flac")
    path.write_bytes(path.read_bytes()[:500])
    return [f"{path}: cannot be read"]


def _empty_transcript(here):
    path = _first(here, "*.trans.txt")
    lines = path.read_text().splitlines()
    utt_id = lines[0].split()[0]
    path.write_text("\n".join([utt_id, *lines[1:]]) + "\n")
    return [f"{path}: empty transcript of {utt_id}"]


def _id_twice(here):
    path = _first(here, "*.trans.txt")
    line = path.read_text().splitlines()[0]
    path.write_text(f"{path.read_text()}{line}\n")
    return [f"{path}: id {line.split()[0]} comes twice"]


def _mixed_rates(here):
    path = _first(here, "*.flac")
    samples, _ = soundfile.read(path)
    soundfile.write(path, np.repeat(samples, 2), 16000)
    return ["Hz, expected", "which resamples what has another"]


def _no_split(here):
    shutil.rmtree(here.root / "corpus/test-other")
    return ["no split 'test-other'; it has: dev-clean, test-clean, train-clean"]


@pytest.mark.parametrize(
    "harm",
    [
        _remove_audio,
        _break_audio,
        _cut_audio,
        _empty_transcript,
        _id_twice,
        _mixed_rates,
        _no_split,
    ],
)
def test_a_bad_corpus_is_refused(own_corpus, call, harm):
    before = _sets(own_corpus)
    messages = harm(own_corpus)
    output = call(own_corpus.command(stage=1), status=1)
    for message in messages:
        assert message in output
    assert output.count("error: ") == 1 and "Traceback" not in output
    assert "Stage 3" not in output and "Successfully finished" not in output
    assert _sets(own_corpus) == before


def test_a_target_too_long_for_ctc_is_left_out_and_listed(own_corpus, call):
    path = _first(own_corpus, "*.trans.txt")
    lines = path.read_text().splitlines()
    utt_id = lines[0].split()[0]
    path.write_text("\n".join([f"{lines[0]} {'ONE TWO ' * 60}", *lines[1:]]) + "\n")
    output = call(own_corpus.command(stage=1, stop_stage=4))
    dump = own_corpus.root / "dump/train_clean"
    assert "kept 23, removed 1 (1 ctc_target_longer_than_frames)" in output
    header, row = (dump / "removed.tsv").read_text().splitlines()
    assert row.split("\t")[:2] == [utt_id, "ctc_target_longer_than_frames"]
    for name in ("wav.scp", "text", "utt2num_samples"):
        lines = (dump / name).read_text().splitlines()
        assert len(lines) == 23 and not any(s.startswith(utt_id) for s in lines)


def test_a_training_without_statistics_says_which_stage_to_run(
    finished, call, tmp_path
):
    """Stage 6 without the products of stage 5 says which file and what to do."""
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    output = call(here.command(stage=6, stop_stage=6), status=1)
    assert f"needs {tmp_path}/exp/stats_teacher/train/feats_stats.npz" in output
    assert "Run the earlier stages first" in output and "Traceback" not in output


def _teacher(finished, folder):
    """Copy the teacher: its configuration and its parameters."""
    folder.mkdir()
    conf = yaml.safe_load((finished.exp / "teacher/config.yaml").read_text())
    shutil.copy(finished.exp / "teacher/valid.loss_ctc.ave.pth", folder / "model.pth")
    return folder / "config.yaml", folder / "model.pth", conf


def _train(call, finished, output_dir, teacher, terms):
    """Run the command of a finished SKD training with another teacher."""
    run = finished.exp / "student_rnn_skd_seed1"
    first = (run / "train.log").read_text().splitlines()[0]
    words = first.split()[3:]  # "# python -m MODULE ..."
    kept, skip = [], False
    for word in words:
        if not skip and word not in ("--distill_conf", "--output_dir"):
            kept.append(word)
        skip = word in ("--distill_conf", "--output_dir")
    command = [sys.executable, "-m", *kept, "--output_dir", output_dir]
    for key, path in zip(("config", "model"), teacher):
        command += ["--distill_conf", f"teacher.{key}={path}"]
    return call([*command, "--distill_conf", f"terms={terms}"], status=1)


def test_skd_with_a_teacher_of_other_tokens_is_refused(finished, call, tmp_path):
    config, model, conf = _teacher(finished, tmp_path / "teacher")
    conf["token_list"][3:5] = conf["token_list"][4:2:-1]
    config.write_text(yaml.safe_dump(conf))
    out = tmp_path / "run"
    output = _train(call, finished, out, (config, model), "{skd: {}}")
    assert "token lists differ" in output and "first difference at 3" in output
    assert "use RKD alone" in output
    assert "Traceback" not in output
    assert not (out / "config.yaml").exists() and not (out / "checkpoint.pth").exists()


def test_a_teacher_whose_parameters_do_not_fit_is_refused(finished, call, tmp_path):
    config, model, conf = _teacher(finished, tmp_path / "teacher")
    conf["encoder_conf"]["output_size"] = 32
    config.write_text(yaml.safe_dump(conf))
    output = _train(call, finished, tmp_path / "run", (config, model), "{skd: {}}")
    assert str(model) in output and str(config) in output
    assert "Traceback" not in output


def test_a_poor_teacher_stops_the_recipe(finished, call):
    output = call(finished.command(stage=7, teacher_wer_max=1), status=1)
    assert "expected at most 1.0 %" in output and "--teacher_wer_max" in output
    assert "Stage 8" not in output


def _limit(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_during_export_leaves_the_old_export(finished, call, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished.exp / "student_rnn_skd_seed1", run, symlinks=True)
    command = [sys.executable, "-m", "espnet_tutornet.bin.export_student"]
    command += ["--expdir", run]
    before = _contents(run)
    output = call(command, status=1, preexec_fn=_limit(5000))
    assert "/model.pth: [Errno 27] File too large" in output
    assert "export_student: error: " in output and "Traceback" not in output
    assert _contents(run) == before
    call(command)
    assert sorted(_contents(run)) == sorted(before)


def test_a_full_disk_during_training_is_named_and_survived(
    finished, call, conf, tmp_path
):
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    here.options["student_asr_config"] = str(conf / "train_student_rnn.yaml")
    options = dict(methods="none", total_epochs=2, rkd_epochs=1)
    name = "stats_student_rnn"
    shutil.copytree(finished.exp / name, here.exp / name)
    run = here.exp / "student_rnn_none_seed1"
    command = here.command(stage=11, stop_stage=11, **options)
    output = call(command, status=1, preexec_fn=_limit(60000))
    assert f"jobs failed: {run}/train.log" in output
    assert "Mend the cause and run the stage again" in output
    assert not (run / ".train.done").exists()
    call(command)
    state_dict = torch.load(run / "export/model.pth", weights_only=True)
    assert all(torch.isfinite(v.float()).all() for v in state_dict.values())


def test_a_decoded_set_without_hypotheses_is_named(finished, call, tmp_path):
    here = finished.elsewhere(tmp_path, copied=["exp"])
    text = here.decoded("student_rnn_skd_seed1", "test_other") / "text"
    text.unlink()
    output = call(here.command(stage=13, stop_stage=13), status=1)
    assert f"{text}: not found. Decode the set" in output
    assert json.loads((text.parent / "score.json").read_text())["wer"]["Snt"] == 6
