"""What the command writes is the collapsed argmax, utterance by utterance."""

import pytest
import soundfile
import torch
import yaml

from espnet_tutornet.bin.best_path import main
from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.teacher.loading import load_model


@pytest.fixture(scope="module")
def model_files(save_asr, wav_data, tmp_path_factory):
    config, model = save_asr(tmp_path_factory.mktemp("model"), 0)
    conf = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**conf, "token_type": "char"}))
    make_it_talk(config, model, wav_data / "wav.scp")
    return config, model


def make_it_talk(config, model_file, wav_scp):
    """Spread its frames over the tokens: a random model says one of them alone."""
    model, _ = load_model(config, model_file)
    waves = [
        soundfile.read(p, dtype="float32")[0]
        for p in read_two_columns(wav_scp).values()
    ]
    hidden = [
        model.encode(torch.from_numpy(w)[None], torch.tensor([len(w)]))[0][0]
        for w in waves
    ]
    output = model.ctc.ctc_lo
    output.bias.copy_(-output.weight @ torch.cat(hidden).mean(dim=0))
    torch.save(model.state_dict(), model_file)


def decode(model_files, wav_scp, out):
    config, model = model_files
    words = ["--asr_train_config", config, "--asr_model_file", model]
    main([str(word) for word in (*words, "--wav_scp", wav_scp, "--output_dir", out)])
    folder = out / "1best_recog"
    return [read_two_columns(folder / name) for name in ("text", "token", "token_int")]


def collapse(frames):
    """Merge repeats and drop blanks (0), the slow way."""
    kept = [b for a, b in zip([None, *frames], frames) if a != b]
    return [number for number in kept if number != 0]


def test_it_is_the_collapsed_argmax_of_each_utterance(
    model_files, wav_data, tokens, tmp_path
):
    texts, spelled, ids = decode(model_files, wav_data / "wav.scp", tmp_path)
    model, _ = load_model(*model_files)
    scp = read_two_columns(wav_data / "wav.scp")
    assert list(texts) == list(spelled) == list(ids) == list(scp) == ["u0", "u1", "u2"]
    for utt_id, path in scp.items():
        wave = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        hidden, _ = model.encode(wave[None], torch.tensor([len(wave)]))
        frames = model.ctc.log_softmax(hidden)[0].argmax(dim=-1).tolist()
        expected = collapse(frames)
        assert len(set(frames)) > 1 and expected  # there is something to collapse
        assert ids[utt_id] == " ".join(map(str, expected))
        assert spelled[utt_id] == " ".join(tokens[number] for number in expected)
        assert texts[utt_id] == "".join(tokens[number] for number in expected)


@pytest.mark.parametrize(
    "fs, channels, found", [(8000, 1, "got 1 at 8000 Hz"), (16000, 2, "got 2 at 16000")]
)
def test_other_audio_than_the_model_s_is_refused(
    model_files, tmp_path, capsys, fs, channels, found
):
    wave = torch.zeros(fs, channels).squeeze().numpy()
    soundfile.write(tmp_path / "a.wav", wave, fs)
    (tmp_path / "wav.scp").write_text(f"u {tmp_path}/a.wav\n")
    with pytest.raises(SystemExit):
        decode(model_files, tmp_path / "wav.scp", tmp_path / "out")
    error = capsys.readouterr().err
    assert "a.wav: expected one channel at 16000 Hz" in error and found in error
    assert not list((tmp_path / "out").rglob("text"))  # nothing half done


def test_a_model_without_ctc_is_refused(save_asr, wav_data, tmp_path, capsys):
    files = save_asr(tmp_path / "m", 0, hybrid=True, model_conf=dict(ctc_weight=0.0))
    with pytest.raises(SystemExit):
        decode(files, wav_data / "wav.scp", tmp_path / "out")
    assert "needs a CTC branch" in capsys.readouterr().err


def add_short(wav_data, directory):
    """Return a wav.scp of wav_data and two utterances of one sample and of 20 ms."""
    lines = (wav_data / "wav.scp").read_text()
    for name, samples in (("v0", 1), ("v1", 320)):
        path = directory / f"{name}.wav"
        soundfile.write(path, torch.zeros(samples).numpy(), 16000)
        lines += f"{name} {path}\n"
    (directory / "wav.scp").write_text(lines)
    return directory / "wav.scp"


def test_what_is_too_short_has_an_empty_hypothesis(
    model_files, wav_data, tmp_path, capsys
):
    scp = add_short(wav_data, tmp_path)
    mixed = decode(model_files, scp, tmp_path / "out")
    for found, alone in zip(mixed, decode(model_files, wav_data / "wav.scp", tmp_path)):
        assert found == {**alone, "v0": "", "v1": ""}
    said = capsys.readouterr().out
    assert said.count("2 utterances are too short for the model") == 1
    assert "their hypotheses are empty: v0 v1\n" in said
