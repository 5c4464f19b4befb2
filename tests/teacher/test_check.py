import functools
import re

import numpy as np
import pytest
import soundfile
import torch

from espnet_tutornet.bin.best_path import main as best_path
from espnet_tutornet.bin.dump_teacher import main as dump_teacher


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a data directory of twelve utterances of noise, two words each."""
    directory = tmp_path_factory.mktemp("data") / "dev"
    directory.mkdir()
    rng = np.random.default_rng(0)
    files = {name: [] for name in ("wav.scp", "text", "utt2num_samples")}
    for index in range(12):
        samples = 16_000 + 1_600 * index
        wav = directory / f"u{index:02d}.wav"
        soundfile.write(wav, rng.uniform(-0.1, 0.1, samples), 16000)
        for name, value in zip(files, (wav, "AB CD", samples)):
            files[name].append(f"u{index:02d} {value}\n")
    for name, lines in files.items():
        (directory / name).write_text("".join(lines))
    return directory


@pytest.fixture(scope="module")
def make_teacher(save_asr, data, tmp_path_factory):
    """Return make_teacher(token type): files of one that says something, and what."""

    @functools.cache
    def make(token_type):
        root = tmp_path_factory.mktemp("teacher")
        config, model = save_asr(root, 1, token_type=token_type)
        parameters = torch.load(model)
        generator = torch.Generator().manual_seed(3)
        weight = parameters["ctc.ctc_lo.weight"]
        parameters["ctc.ctc_lo.weight"] = torch.randn(weight.shape, generator=generator)
        torch.save(parameters, model)
        words = ["--asr_train_config", config, "--asr_model_file", model]
        words += ["--wav_scp", data / "wav.scp", "--output_dir", root / "logdir"]
        best_path([str(word) for word in words])
        text = (root / "logdir/1best_recog/text").read_text()
        assert len(set(line.partition(" ")[2] for line in text.splitlines())) > 3
        return config, model, text

    return make


@pytest.fixture
def dump(request, make_teacher, data, tmp_path, capsys):
    """Return dump(*words): what stage 8 prints, for a teacher that says something."""
    config, model, text = make_teacher(getattr(request, "param", "char"))
    decoded = tmp_path / "decoded"
    decoded.mkdir()
    (decoded / "text").write_text(text)

    def run(*words, check_dir=data):
        dump_teacher(
            ["--teacher_config", str(config), "--teacher_model", str(model)]
            + ["--data_dirs", str(data), "--out_dir", str(tmp_path / "cache")]
            + ["--hidden_form", "two_byte", "--top_k", "3"]
            + ["--check_dir", str(check_dir), "--check_decoded", str(decoded), *words]
        )
        return capsys.readouterr().out

    run.cache, run.text = tmp_path / "cache", decoded / "text"
    return run


def test_both_error_rates_are_told_and_the_error_of_hidden_states(dump):
    output = dump()
    assert "no utterance hears the padding of its batch" in output
    rates = [
        float(line.split("WER ")[1].split()[0])
        for line in output.splitlines()
        if "WER " in line
    ]
    own = float(output.split("kept in ")[1].split(", ")[1].split()[0])
    assert len(rates) == 1 and rates[0] == own > 0
    assert "hidden states last as they are kept differ" in output
    error = float(output.split("alone by ")[1].split()[0])
    assert error < 2e-2  # two bytes a value, and the windows at the end
    assert f"dev: WER {own:.2f} %" in dump()  # also where nothing is to do


@pytest.mark.parametrize("dump", ["word"], indirect=True)
def test_tokens_that_are_words_are_counted_as_words(dump):
    """They were joined to one word each, and the two rates were never near."""
    texts = dict(line.split(maxsplit=1) for line in dump.text.read_text().splitlines())
    assert max(len(text.split()) for text in texts.values()) > 1
    assert "points apart" in dump()


def test_a_cache_that_is_of_another_teacher_than_was_measured_is_refused(dump, capsys):
    right = "".join(f"u{index:02d} AB CD\n" for index in range(12))
    dump.text.write_text(right)
    for _ in range(2):  # a second time, too
        with pytest.raises(SystemExit):
            dump()
        error = capsys.readouterr().err
        assert re.search("of the posteriors kept.*, 0.00 % of the teacher alone", error)
        assert "they differ by more than" in error and "--top_k" in error
        assert not (dump.cache / "manifest.json").exists()


def test_who_wants_padding_to_be_heard_is_told_the_rates_alone(dump):
    right = "".join(f"u{index:02d} AB CD\n" for index in range(12))
    dump.text.write_text(right)
    assert "0.00 % of the teacher alone; not judged" in dump("--stock_padding")


def test_few_words_may_be_apart(dump):
    lines = dump.text.read_text().splitlines()
    lines[0] = lines[0].split()[0] + " X"
    dump.text.write_text("\n".join(lines) + "\n")
    assert "points apart" in dump()


def test_a_set_without_transcripts_is_not_compared(dump, data, tmp_path):
    blank = tmp_path / "blank"
    blank.mkdir()
    assert "blank has no transcripts" in dump(check_dir=blank)
    (blank / "text").write_text("u00 \nu01 \n")
    assert "blank has no transcripts" in dump(check_dir=blank)


def test_without_stage_7_it_says_what_is_missing(dump):
    dump.text.unlink()
    assert f"not compared, no {dump.text} of the teacher" in dump()


def test_without_posteriors_nothing_is_compared(dump):
    assert "keeps no posteriors" in dump("--top_k", "0")


def test_utterances_that_were_not_recognised_are_named(dump):
    lines = dump.text.read_text().splitlines()
    dump.text.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(SystemExit):
        dump()


def test_a_cache_that_was_asked_in_another_way_is_made_again(dump):
    dump()
    assert "nothing to do" in dump()
    output = dump("--stock_padding")
    assert "12 of 12 utterances to do" in output
    assert "as ESPnet has it" in output
