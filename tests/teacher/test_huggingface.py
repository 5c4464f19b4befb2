"""Teachers of transformers say what transformers itself says."""

import json
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
import torch
import yaml

transformers = pytest.importorskip("transformers", reason="the extra hf")

from espnet2.asr.encoder.linear_encoder import TooShortUttError  # noqa: E402
from hub_server import Hub  # noqa: E402
from huggingface_hub import errors  # noqa: E402
from malicious import Malicious  # noqa: E402

from espnet_tutornet.bin.best_path import main as best_path  # noqa: E402
from espnet_tutornet.cache.manifest import fingerprint  # noqa: E402
from espnet_tutornet.data.tokens import copy_teacher_tokens  # noqa: E402
from espnet_tutornet.layers.independence import MASKED, UNPADDED  # noqa: E402
from espnet_tutornet.teacher.bring import bring_teacher  # noqa: E402
from espnet_tutornet.teacher.kinds import identity, padded_to  # noqa: E402
from espnet_tutornet.teacher.loading import load_config  # noqa: E402
from espnet_tutornet.teacher.online import OnlineTeacher  # noqa: E402
from espnet_tutornet.teacher.safe_load import load_parameters  # noqa: E402

SIZES = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
)
VOCAB = {"A": 0, "|": 1, "B": 2, "<unk>": 3, "</s>": 4, "<pad>": 5}
SPELT = ["<blank>", "A", "<space>", "B", "<unk>", "<sos/eos>"]
ROWS = [5, 0, 1, 2, 3, 4]
CTC = dict(vocab_size=len(VOCAB), pad_token_id=5)
LAYER_NORM = dict(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
# name -> class, arguments of its configuration, how it has to be asked
KINDS = {
    "wav2vec2": ("Wav2Vec2ForCTC", {**SIZES, **CTC}, UNPADDED),
    "wav2vec2_large": ("Wav2Vec2ForCTC", {**SIZES, **CTC, **LAYER_NORM}, MASKED),
    "hubert": ("HubertForCTC", {**SIZES, **CTC}, UNPADDED),
    "hubert_large": ("HubertForCTC", {**SIZES, **CTC, **LAYER_NORM}, MASKED),
    "wavlm": ("WavLMForCTC", {**SIZES, **CTC}, UNPADDED),
    "wavlm_large": ("WavLMForCTC", {**SIZES, **CTC, **LAYER_NORM}, MASKED),
    "wav2vec2_bare": ("Wav2Vec2Model", SIZES, UNPADDED),
    "pretraining": (
        "Wav2Vec2ForPreTraining",
        {**SIZES, "codevector_dim": 4, "num_codevectors_per_group": 2},
        UNPADDED,
    ),
}
LENGTHS = (16000, 9777)


def build(kind):
    """Return a random model of transformers."""
    name, given, _ = KINDS[kind]
    cls = getattr(transformers, name)
    torch.manual_seed(1)
    model = cls(cls.config_class(**given))
    for parameter in model.parameters():
        if parameter.dim() == 1:  # as a training could leave them
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def save(model, directory, do_normalize=True, vocab=VOCAB, **given):
    """Save it as transformers does, with what prepares audio and text."""
    model.save_pretrained(directory, **given)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=do_normalize)
    extractor.save_pretrained(directory)
    (directory / "vocab.json").write_text(json.dumps(vocab))
    return directory


@pytest.fixture
def snapshot(tmp_path):
    """Return the directory of a small HuBERT with a CTC head."""
    return save(build("hubert"), tmp_path / "snapshot")


def bring(directory, out_dir, **given):
    return bring_teacher(f"hf:{directory}", out_dir, **given)


def speech_of(lengths=LENGTHS):
    generator = torch.Generator().manual_seed(0)
    speech = torch.zeros(len(lengths), max(lengths))
    for row, samples in zip(speech, lengths):
        row[:samples] = 0.1 * torch.randn(samples, generator=generator) + 0.02
    return dict(speech=speech, speech_lengths=torch.tensor(lengths))


def alone(model, wave, do_normalize=True):
    """Ask transformers alone about one utterance, prepared by its own extractor."""
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=do_normalize)
    inputs = extractor(wave.numpy(), sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        inner = model.base_model(inputs.input_values, output_hidden_states=True)
        return inner, getattr(model(inputs.input_values), "logits", None)


def assert_near(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).norm() / expected.norm() < 1e-4


@pytest.mark.parametrize("do_normalize", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_and_posteriors_are_those_of_transformers(
    kind, do_normalize, tmp_path
):
    model, padding = build(kind), KINDS[kind][2]
    save(model, tmp_path / "snapshot", do_normalize)
    files = bring(tmp_path / "snapshot", tmp_path / "teacher")
    has_head = hasattr(model, "lm_head")
    layers = ("last", "layers.0", "layers.1")
    teacher = OnlineTeacher.from_files(*files, layers=layers, use_posteriors=has_head)
    assert (teacher.padding, teacher.frame_shift, teacher.fs) == (padding, 320, 16000)
    assert teacher.token_list == (SPELT if has_head else [])
    batch = speech_of()
    said = teacher(batch)
    for row, samples in enumerate(LENGTHS):
        wave = batch["speech"][row, :samples]
        theirs, logits = alone(model, wave, do_normalize)
        frames, last = int(said.lens[row]), theirs.last_hidden_state[0]
        assert frames == len(last)
        assert_near(said.hidden["last"][row, :frames], last)
        first = theirs.hidden_states[1][0]
        assert_near(said.hidden["layers.0"][row, :frames], first)
        if has_head:
            expected = logits[0].log_softmax(-1)[:, ROWS]
            assert_near(said.log_probs[row, :frames], expected)


def save_whisper(directory, cls="WhisperForConditionalGeneration"):
    torch.manual_seed(1)
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        vocab_size=30,
        max_source_positions=1500,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    model = getattr(transformers, cls)(config).eval()
    model.save_pretrained(directory)
    transformers.WhisperFeatureExtractor().save_pretrained(directory)
    return model


@pytest.mark.parametrize("cls", ["WhisperForConditionalGeneration", "WhisperModel"])
def test_whispers_encoder_hears_30_seconds_and_says_what_is_audio(cls, tmp_path):
    model = save_whisper(tmp_path / "snapshot", cls)
    files = bring(tmp_path / "snapshot", tmp_path / "teacher")
    layers = ("last", "layers.0")
    teacher = OnlineTeacher.from_files(*files, layers=layers, use_posteriors=False)
    assert (teacher.padding, teacher.frame_shift) == (MASKED, 320)
    assert not any("decoder" in name for name in load_parameters(files[1]))
    batch = speech_of()
    said = teacher(batch)
    assert said.lens.tolist() == [50, 30]
    extractor = transformers.WhisperFeatureExtractor()
    for row, samples in enumerate(LENGTHS):
        wave = batch["speech"][row, :samples].numpy()
        features = extractor(wave, sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            theirs = model.get_encoder()(
                features.input_features, output_hidden_states=True
            )
        frames = int(said.lens[row])
        last, first = theirs.last_hidden_state, theirs.hidden_states[1]
        assert_near(said.hidden["last"][row, :frames], last[0, :frames])
        assert_near(said.hidden["layers.0"][row, :frames], first[0, :frames])


def test_whisper_refuses_what_is_longer_than_30_seconds(tmp_path):
    save_whisper(tmp_path / "snapshot")
    files = bring(tmp_path / "snapshot", tmp_path / "teacher")
    teacher = OnlineTeacher.from_files(*files, use_posteriors=False)
    long = dict(speech=torch.zeros(1, 480001), speech_lengths=torch.tensor([480001]))
    assert padded_to(teacher.model) == 480000, "what a batch of it costs"
    with pytest.raises(ValueError, match="too long for the teacher, 480001 samples"):
        teacher(long)


def test_a_teacher_without_a_head_has_no_posteriors(tmp_path):
    save(build("wav2vec2_bare"), tmp_path / "snapshot")
    files = bring(tmp_path / "snapshot", tmp_path / "teacher")
    with pytest.raises(ValueError, match="no CTC branch"):
        OnlineTeacher.from_files(*files)
    with pytest.raises(ValueError, match="RKD alone needs no common tokens"):
        copy_teacher_tokens(files[0], tmp_path / "tokens")


def test_its_tokens_are_taken_over_as_characters(snapshot, tmp_path):
    config, _ = bring(snapshot, tmp_path / "teacher")
    assert copy_teacher_tokens(config, tmp_path / "tokens") == SPELT
    assert (tmp_path / "tokens/token_type").read_text() == "char\n"


def test_its_best_path_is_written_as_text(tmp_path, wav_data):
    model = build("hubert")
    model.lm_head.bias.data[CTC["pad_token_id"]] = -10.0  # no blank
    save(model, tmp_path / "snapshot")
    files = bring(tmp_path / "snapshot", tmp_path / "teacher")
    words = ["--asr_train_config", str(files[0]), "--asr_model_file", str(files[1])]
    scp = str(wav_data / "wav.scp")
    best_path([*words, "--wav_scp", scp, "--output_dir", str(tmp_path / "out")])
    lines = (tmp_path / "out/1best_recog/token").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["u0", "u1", "u2"]
    for line in lines:
        wave, _ = soundfile.read(wav_data / f"{line.split()[0]}.wav", dtype="float32")
        _, logits = alone(model, torch.from_numpy(wave))
        path = logits[0].argmax(-1).unique_consecutive().tolist()
        expected = [SPELT[ROWS.index(row)] for row in path]
        assert line.split()[1:] == expected


def test_bringing_again_leaves_the_parameters_alone(snapshot, tmp_path):
    config, model = bring(snapshot, tmp_path / "teacher")
    before = model.stat().st_mtime_ns, config.read_text()
    bring(snapshot, tmp_path / "teacher")
    assert (model.stat().st_mtime_ns, config.read_text()) == before


def test_a_link_to_another_teachers_parameters_is_not_written_through(
    snapshot, tmp_path
):
    other = tmp_path / "theirs.pth"
    other.write_bytes(b"theirs")
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher/model.pth").symlink_to(other)
    bring(snapshot, tmp_path / "teacher")
    assert other.read_bytes() == b"theirs"


def test_the_fingerprint_hears_of_the_normalisation(tmp_path):
    found = []
    for name, do_normalize in (("a", True), ("b", False), ("c", True)):
        save(build("hubert"), tmp_path / name, do_normalize)
        config, model = bring(tmp_path / name, tmp_path / f"teacher_{name}")
        conf = identity(vars(load_config(config)))
        found.append(fingerprint(conf, load_parameters(model)))
    assert found[0] == found[2] != found[1]


def test_shards_and_half_precision_are_read(snapshot, tmp_path):
    whole = load_parameters(bring(snapshot, tmp_path / "whole")[1])
    cut = save(build("hubert"), tmp_path / "cut", max_shard_size="4KB")
    assert len(list(cut.glob("model-*.safetensors"))) > 1
    parts = load_parameters(bring(cut, tmp_path / "parts")[1])
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    half = save(build("hubert").half(), tmp_path / "half")
    files = bring(half, tmp_path / "halves")
    teacher = OnlineTeacher.from_files(*files)
    assert teacher(speech_of()).log_probs.dtype == torch.float32


def use_binary(directory, content=None):
    """Put a .bin with the old names in the place of safetensors."""
    state = build("hubert").state_dict()
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in state.items()
    }
    assert any(name.endswith("weight_g") for name in old)
    old.pop("hubert.masked_spec_embed")  # published models lack it at times
    (directory / "model.safetensors").unlink()
    if content is None:
        torch.save(old, directory / "pytorch_model.bin")
    else:
        (directory / "pytorch_model.bin").write_bytes(content)


def test_a_bin_of_tensors_with_old_names_is_read(snapshot, tmp_path):
    whole = load_parameters(bring(snapshot, tmp_path / "whole")[1])
    use_binary(snapshot)
    (snapshot / "training_args.bin").write_bytes(b"no tensors")
    old = load_parameters(bring(snapshot, tmp_path / "old")[1])
    assert all(torch.equal(old[name], whole[name]) for name in whole)


def test_a_pickle_is_not_executed(snapshot, tmp_path):
    trap = tmp_path / "executed"
    use_binary(snapshot, pickle.dumps(Malicious(trap)))
    with pytest.raises(ValueError, match="pytorch_model.bin cannot be read as param"):
        bring(snapshot, tmp_path / "teacher")
    assert not trap.exists()


def test_code_of_a_snapshot_is_not_executed(snapshot, tmp_path):
    trap = tmp_path / "executed"
    for name in ("config", "model"):
        (snapshot / f"{name}.py").write_text(f"open({str(trap)!r}, 'w')\n")
    conf = json.loads((snapshot / "config.json").read_text())
    conf["auto_map"] = {"AutoConfig": "config.C", "AutoModel": "model.M"}
    (snapshot / "config.json").write_text(json.dumps(conf))
    OnlineTeacher.from_files(*bring(snapshot, tmp_path / "teacher"))
    assert not trap.exists()


def test_a_kernel_of_the_hub_is_not_asked_for(snapshot, tmp_path):
    """Neither by a snapshot nor by a config.yaml that others wrote."""
    keys = dict(attn_implementation="me/kernel", _attn_implementation="me/kernel")
    change_json(snapshot / "config.json", **keys)
    config, model = bring(snapshot, tmp_path / "teacher")
    OnlineTeacher.from_files(config, model)
    conf = yaml.safe_load(config.read_text())
    assert not set(keys) & set(conf["encoder_conf"])
    conf["encoder_conf"].update(keys)
    config.write_text(yaml.safe_dump(conf))
    teacher = OnlineTeacher.from_files(config, model)
    assert teacher.model.network.config._attn_implementation in ("sdpa", "eager")


def change_json(path, **changes):
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "file, changes, message",
    [
        ("config.json", {"model_type": "bert"}, "one of wav2vec2, hubert.*got bert"),
        ("config.json", {"add_adapter": True}, "add_adapter is true"),
        ("config.json", {"hidden_size": 8}, "not for its config.json.*size mismatch"),
        ("vocab.json", {"eng": {"A": 0}}, "vocabularies of several languages"),
    ],
)
def test_what_cannot_teach_is_refused(snapshot, tmp_path, file, changes, message):
    change_json(snapshot / file, **changes)
    with pytest.raises(ValueError, match=message):
        bring(snapshot, tmp_path / "teacher")


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("config.json", FileNotFoundError, "config.json: expected a file of the snap"),
        ("preprocessor_config.json", FileNotFoundError, "no .*preprocessor_config"),
        ("vocab.json", FileNotFoundError, "no .*vocab.json"),
        ("model.safetensors", FileNotFoundError, "or pytorch_model.bin, found neither"),
    ],
)
def test_a_file_that_is_missing_is_named(snapshot, tmp_path, name, error, message):
    (snapshot / name).unlink()
    with pytest.raises(error, match=message):
        bring(snapshot, tmp_path / "teacher")


@pytest.mark.parametrize(
    "name, message",
    [
        ("model.safetensors", "model.safetensors: expected tensors, got a damaged"),
        ("config.json", "config.json: expected a json mapping"),
    ],
)
def test_a_damaged_file_is_named(snapshot, tmp_path, name, message):
    (snapshot / name).write_bytes(b"nothing")
    with pytest.raises(ValueError, match=message):
        bring(snapshot, tmp_path / "teacher")


def test_a_head_without_unknown_token_is_refused(tmp_path):
    vocab = {k if k != "<unk>" else "C": v for k, v in VOCAB.items()}
    save(build("hubert"), tmp_path / "snapshot", vocab=vocab)
    with pytest.raises(ValueError, match="vocab.json: expected <unk>, which students"):
        bring(tmp_path / "snapshot", tmp_path / "teacher")


def test_special_tokens_of_other_names_are_known(tmp_path):
    vocab = {"a": 0, "_": 1, "[UNK]": 3, "[PAD]": 5}
    save(build("hubert"), tmp_path / "snapshot", vocab=vocab)
    told = dict(
        word_delimiter_token="_",
        unk_token={"content": "[UNK]"},
        added_tokens_decoder={"4": {"content": "</s>"}},
    )
    (tmp_path / "snapshot/tokenizer_config.json").write_text(json.dumps(told))
    config, _ = bring(tmp_path / "snapshot", tmp_path / "teacher")
    tokens = yaml.safe_load(config.read_text())["token_list"]
    expected = ["<blank>", "a", "<space>", "<unused2>", "<unk>", "<sos/eos>"]
    assert tokens == expected


def test_options_of_espnets_models_are_refused(snapshot, tmp_path):
    with pytest.raises(ValueError, match="--teacher_model and --teacher_lang: expec"):
        bring(snapshot, tmp_path / "t", checkpoint="a.pth", added=dict(lang="eng"))
    config, _ = bring(snapshot, tmp_path / "t", added=dict(fs=8000, lang=None))
    assert yaml.safe_load(config.read_text())["frontend_conf"]["fs"] == 8000


def test_audio_without_a_frame_is_too_short(snapshot, tmp_path):
    teacher = OnlineTeacher.from_files(*bring(snapshot, tmp_path / "teacher"))
    with pytest.raises(TooShortUttError):
        teacher.model.encode(torch.zeros(2, 16000), torch.tensor([16000, 399]))
    assert teacher.model.encode(torch.zeros(1, 400), torch.tensor([400]))[1] == 1


def test_without_transformers_the_extra_is_named(snapshot, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RuntimeError, match=r"'espnet_tutornet\[hf\]'"):
        bring(snapshot, tmp_path / "teacher")


def run_command(name, out_dir, endpoint, cache):
    """Bring a model in a process that knows the hub at ``endpoint``."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache / "hf")}
    command = [sys.executable, "-m", "espnet_tutornet.bin.bring_teacher"]
    command += ["--teacher", name, "--out_dir", str(out_dir)]
    command += ["--cache_dir", str(cache)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("binary", [False, True])
def test_a_name_of_the_hub_and_then_without_network(snapshot, tmp_path, binary):
    if binary:
        use_binary(snapshot)
    for name in ("training_args.bin", "code.py", "flax_model.msgpack"):
        (snapshot / name).write_bytes(b"not wanted")
    server = Hub(snapshot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache, nowhere = tmp_path / "cache", "http://127.0.0.1:9"  # nobody listens
    try:
        done = run_command("hf:me/model", tmp_path / "teacher", server.url, cache)
        assert done.returncode == 0, done.stderr
        asked = " ".join(path for _, path, _ in server.requests)
    finally:
        server.shutdown()
        server.server_close()
    assert ("pytorch_model.bin" if binary else "model.safetensors") in asked
    assert not any(x in asked for x in ("training_args", "code.py", "msgpack"))
    if binary:
        return
    again = run_command("hf:me/model", tmp_path / "again", nowhere, cache)
    assert again.returncode == 0, again.stderr
    files = [load_parameters(tmp_path / n / "model.pth") for n in ("teacher", "again")]
    assert all(torch.equal(files[1][name], files[0][name]) for name in files[0])


def test_a_model_that_cannot_be_fetched(tmp_path, monkeypatch):
    def refuse(name, **_):
        raise errors.LocalEntryNotFoundError(f"no network for {name}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(RuntimeError, match="--teacher hf:me/other.*no network for me/"):
        bring("me/other", tmp_path / "teacher")


def test_padding_that_is_not_zero_changes_nothing(tmp_path):
    save(build("hubert_large"), tmp_path / "snapshot")
    files = bring(tmp_path / "snapshot", tmp_path / "teacher")
    teacher = OnlineTeacher.from_files(*files)
    batch = speech_of()
    said = teacher(batch).log_probs[1, :30].clone()
    batch["speech"][1, LENGTHS[1] :] = np.pi
    assert torch.equal(teacher(batch).log_probs[1, :30], said)
