"""Data that people have go through run.sh: Kaldi's directories, tables, own scripts."""

import json
import shutil

import pytest
import soundfile

from espnet_tutornet.data.data_dir import read_data_dir

pytestmark = pytest.mark.integration
SETS = {"train": "train-clean", "dev": "dev-clean", "test": "test-clean"}


def _read(corpus):
    """Return (set, id, path, text) of the corpus."""
    for name, split in SETS.items():
        for trans in sorted((corpus / split).glob("*/*/*.trans.txt")):
            for line in trans.read_text().splitlines():
                utt_id, text = line.split(maxsplit=1)
                yield name, utt_id, trans.with_name(f"{utt_id}.flac"), text


def _write_kaldi(corpus, folder, count):
    """Write data directories: train of commands with segments, and plain files."""
    for name, utt_id, path, text in _read(corpus):
        (folder / name).mkdir(parents=True, exist_ok=True)
        lines = {"wav.scp": f"{utt_id} {path}", "text": f"{utt_id} {text}"}
        lines["utt2spk"] = f"{utt_id} {utt_id.split('-')[0]}"
        if name == "train":
            lines["wav.scp"] = f"{utt_id}-r echo x >> {count}; cat {path} |"
            lines["segments"] = f"{utt_id} {utt_id}-r 0.0 0.5"
        for file, line in lines.items():
            with (folder / name / file).open("a") as f:
                print(line, file=f)


@pytest.fixture
def here(setup, tmp_path):
    """Return a setup of stages 1 to 3 with directories and sets of its own."""
    found = setup.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    found.options.update(train_set="train", valid_set="dev", test_sets="test")
    found.options.update(corpus_dir="", stage="1", stop_stage="3")
    return found


def test_kaldi_s_directories_are_taken_as_they_are(here, corpus, call, tmp_path):
    count = tmp_path / "count"
    _write_kaldi(corpus, tmp_path / "kaldi", count)
    output = call(here.command(kaldi_dir=tmp_path / "kaldi"), shell=True)
    assert "Stage 1: Format" in output and "Successfully finished" in output
    ran = len(count.read_text().split())
    assert ran == 25  # each once, and the first for the sampling rate
    train = read_data_dir(tmp_path / "dump/train")
    assert {utt.num_samples for utt in train} == {4000} and len(train) == 24
    originals = {utt_id: path for _, utt_id, path, _ in _read(corpus)}
    for utt in train:
        whole, _ = soundfile.read(originals[utt.utt_id], dtype="int16")
        assert (soundfile.read(utt.wav, dtype="int16")[0] == whole[:4000]).all()
    dev = read_data_dir(tmp_path / "dump/dev")
    assert [utt.wav for utt in dev] == [str(originals[utt.utt_id]) for utt in dev]
    call(here.command(kaldi_dir=tmp_path / "kaldi"))
    assert len(count.read_text().split()) == ran + 1
    output = call(
        here.command(kaldi_dir=tmp_path / "kaldi", train_set="tran"), status=1
    )
    assert f"{tmp_path}/kaldi has: dev test train." in output
    assert "Traceback" not in output


def test_tables_are_taken_and_resampled(here, corpus, call, tmp_path):
    for name, _, path, text in _read(corpus):
        with (tmp_path / f"{name}.jsonl").open("a") as f:
            print(json.dumps({"audio_filepath": str(path), "text": text}), file=f)
    call(here.command(manifest=tmp_path, fs=16000, text_case="lower"))
    assert (tmp_path / "data/fs").read_text() == "16000\n"
    originals = {utt_id: (path, text) for _, utt_id, path, text in _read(corpus)}
    for name, size in (("train", 24), ("dev", 8)):
        utts = read_data_dir(tmp_path / f"dump/{name}")
        assert len(utts) == size
        for utt in utts:
            path, text = originals[utt.utt_id]
            assert utt.text == text.lower()
            assert utt.num_samples == 2 * soundfile.info(str(path)).frames
            assert soundfile.info(utt.wav).samplerate == 16000


def test_a_recipe_s_own_script_is_formatted_too(
    here, corpus, call, recipe, tmp_path, environment
):
    _write_kaldi(corpus, tmp_path / "kaldi", tmp_path / "count")
    own = tmp_path / "own"
    shutil.copytree(recipe, own, symlinks=True, ignore=shutil.ignore_patterns("exp"))
    script = "#!/usr/bin/env bash\nset -euo pipefail\n"
    script += f"mkdir -p {tmp_path}/data && cp -r {tmp_path}/kaldi/* {tmp_path}/data\n"
    (own / "local/data.sh").write_text(script)
    command = [own / "run.sh", *here.command()[1:]]
    for _ in range(2):
        call(command, env=environment)
        utts = read_data_dir(tmp_path / "data/train")
        assert {utt.num_samples for utt in utts} == {4000} and len(utts) == 24
        assert (tmp_path / "data/org/train/segments").is_file()
        assert not (tmp_path / "data/train/segments").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(kaldi_dir="a", manifest="b"), "--kaldi_dir and --manifest: give one"),
        (dict(kaldi_dir="a", channel="left"), "--channel must be mix or a number from"),
    ],
)
def test_options_that_do_not_fit_are_refused(here, call, options, message):
    output = call(here.command(**options), status=2, shell=True)
    assert f"run.sh: error: {message}" in output
