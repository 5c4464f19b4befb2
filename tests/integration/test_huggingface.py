"""Teachers of transformers go through all stages of the recipe."""

import json

import pytest
import torch
import yaml

transformers = pytest.importorskip("transformers", reason="the extra hf")

pytestmark = pytest.mark.integration

FS = 16000
SIZES = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
)


def save_hubert(directory, tokens):
    """Save a random HuBERT with a CTC head of these characters, blank last."""
    names = ["|" if token == "<space>" else token for token in tokens]
    vocab = {name: row for row, name in enumerate(["<unk>", "</s>", *names, "<pad>"])}
    config = transformers.HubertConfig(
        **SIZES, vocab_size=len(vocab), pad_token_id=vocab["<pad>"]
    )
    torch.manual_seed(0)
    transformers.HubertForCTC(config).save_pretrained(directory)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(directory)
    (directory / "vocab.json").write_text(json.dumps(vocab))


def save_whisper(directory):
    """Save a random Whisper, of which the encoder teaches."""
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        vocab_size=30,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    transformers.WhisperModel(config).save_pretrained(directory)
    transformers.WhisperFeatureExtractor().save_pretrained(directory)


@pytest.fixture
def run(setup, call, conf, tmp_path):
    """Return run(snapshot, **options): the setup and the log of the stages."""
    here = setup.elsewhere(tmp_path, fresh=["data", "dump", "exp"])

    def stages(directory, status=0, **options):
        words = dict(
            fs=FS,
            teacher=f"hf:{directory}",
            student_asr_config=conf / "train_student_rnn.yaml",
            total_epochs=2,
            rkd_epochs=1,
            hidden_form="two_byte",
            unk_max=100,
        )
        return here, call(here.command(**{**words, **options}), status)

    return stages


def test_a_hubert_with_a_ctc_head_teaches_posteriors_and_hidden_states(run, tmp_path):
    save_hubert(tmp_path / "hubert", ["<space>", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"])
    here, output = run(
        tmp_path / "hubert", methods="none skd rkd_task", stop_stage=13, skip_stages=0
    )
    tokens = (here.root / "data/token_list/teacher/tokens.txt").read_text().split()
    assert tokens[:4] == ["<blank>", "<unk>", "<sos/eos>", "<space>"]
    assert "WER" in output and "of the posteriors kept in" in output
    manifest = json.loads((here.exp / "teacher/outputs/manifest.json").read_text())
    assert (manifest["fs"], manifest["frame_shift"]) == (FS, 320)
    assert manifest["padding"] == "unpadded" and manifest["token_list"] == tokens
    table = (here.exp / "RESULTS.md").read_text()
    for row in ("Teacher", "SKD", "RKD"):
        assert row in table
    log = here.exp / "student_rnn_skd_seed1/train.log"
    assert "loss_skd=" in log.read_text()
    before = (here.exp / "teacher/outputs/manifest.json").stat().st_mtime_ns
    _, output = run(
        tmp_path / "hubert", methods="skd", stage=4, stop_stage=8, skip_stages="5 7"
    )
    assert "nothing to do" in output, "brought again, it is the same teacher"
    after = (here.exp / "teacher/outputs/manifest.json").stat().st_mtime_ns
    assert before == after
    _, output = run(
        tmp_path / "hubert",
        methods="rkd_task",
        stage=9,
        stop_stage=9,
        seeds=2,
        token_type="teacher",
        teacher_outputs="online",
    )
    log = here.exp / "student_rnn_rkd_seed2/train.log"
    assert "loss_rkd=" in log.read_text()


def test_an_encoder_alone_teaches_hidden_states(run, tmp_path):
    save_whisper(tmp_path / "whisper")
    options = dict(conf_dir="studies/forms", teacher_layers="last layers.0")
    here, output = run(
        tmp_path / "whisper", methods="none rkdnone_task", skip_stages=0, **options
    )
    assert "the teacher is an encoder alone: it has no WER." in output
    assert "the teacher has no CTC branch: its hidden states alone are" in output
    manifest = json.loads((here.exp / "teacher/outputs/manifest.json").read_text())
    assert set(manifest["layers"]) == {"last", "layers.0"}
    assert (manifest["padding"], manifest["top_k"]) == ("masked", 0)
    assert "rkdnone" in (here.exp / "RESULTS.md").read_text()
    assert (here.exp / "teacher/measure.json").is_file()
    name = "student_rnn_rkdnone_task_seed1"
    assert (here.exp / name / f"{name}.zip").is_file()
    exported = yaml.safe_load((here.exp / name / "export/config.yaml").read_text())
    assert "toolkit" not in exported
    _, output = run(tmp_path / "whisper", methods="skd", status=1, stage=4)
    assert "RKD alone needs no common tokens" in output
