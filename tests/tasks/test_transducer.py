"""A transducer student, from its training to a decoded text."""

import sys

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask

from espnet_tutornet.asr.tutornet_model import student_state_dict
from espnet_tutornet.bin import asr_inference
from espnet_tutornet.bin.tutornet_train import main as train
from espnet_tutornet.layers.rnnt_loss import PACKAGE, provide_rnnt_loss
from espnet_tutornet.student.export import export_student
from espnet_tutornet.student.untrained import build_untrained
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.tasks.masking import MaskedASRTask
from espnet_tutornet.teacher.loading import load_model

TRANSDUCER = dict(
    decoder="transducer",
    decoder_conf={"rnn_type": "lstm", "num_layers": 1, "hidden_size": 8},
    joint_net_conf={"joint_space_size": 8},
    model_conf={"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
)
TERMS = {"rkd": {"weight": 2.0}, "skd": {"weight": 0.5}}


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Return forget(): no transducer loss is loaded, whoever built one before."""

    def run():
        monkeypatch.delitem(sys.modules, PACKAGE, raising=False)

    run()
    return run


@pytest.fixture(scope="module")
def teacher(teacher_files):
    return dict(zip(("config", "model"), map(str, teacher_files)))


@pytest.fixture
def student(make_args, teacher):
    """Return student(terms, **arguments): a transducer that learns from a teacher."""

    def build(terms=TERMS, **given):
        conf = {"teacher": teacher, "terms": terms}
        torch.manual_seed(0)
        args = make_args("rnn", distill_conf=conf, **{**TRANSDUCER, **given})
        return TutorNetTask.build_model(args).train()

    return build


def test_every_parameter_learns_from_task_and_teacher(student, batch):
    model = student()
    loss, stats, _ = model(**batch)
    loss.backward()
    names = {"loss_transducer", "loss_ctc", "loss_rkd", "loss_skd"}
    assert all(stats[name] > 0 for name in names)
    expected = stats["loss_transducer"] + 0.3 * stats["loss_ctc"]
    expected = expected + 2.0 * stats["loss_rkd"] + 0.5 * stats["loss_skd"]
    torch.testing.assert_close(loss.detach(), expected)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_a_teacher_it_is_espnets_transducer(make_args, batch):
    args = make_args("rnn", **TRANSDUCER)
    student = TutorNetTask.build_model(args).eval()
    stock = ASRTask.build_model(make_args("rnn", **TRANSDUCER)).eval()
    stock.load_state_dict(student.state_dict(), strict=True)
    torch.testing.assert_close(student(**batch)[0], stock(**batch)[0])


def test_steps_lower_the_transducers_loss(student, batch):
    model = student()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss, stats, _ = model(**batch)
        loss.backward()
        optimizer.step()
        losses.append(float(stats["loss_transducer"]))
    assert losses[-1] < 0.6 * losses[0]


def test_skd_asks_for_a_ctc_branch(student):
    with pytest.raises(ValueError, match="no CTC branch.*ctc_weight above 0"):
        student(model_conf={"ctc_weight": 0.0})


def test_an_utterance_without_a_transcript_is_refused(student, batch):
    batch["text"] = batch["text"].clone()
    batch["text"][1], batch["text_lengths"] = -1, torch.tensor([3, 0])
    with pytest.raises(ValueError, match="without a transcript reached a transducer"):
        student()(**batch)


def test_all_that_build_models_build_transducers(make_args, tmp_path, forget):
    assert MaskedASRTask.build_model(make_args("rnn", **TRANSDUCER)).joint_network
    forget()
    args = vars(make_args("rnn", **TRANSDUCER))
    keys = ("encoder", "encoder_conf", "frontend_conf", *TRANSDUCER)
    conf = {**{key: args[key] for key in keys}, "frontend": "default"}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(conf))
    assert build_untrained(tmp_path / "train.yaml", 16000).joint_network


@pytest.fixture
def train_by(make_args, tokens, wav_data, tmp_path):
    """Return train_by(distill_conf): train two epochs by ESPnet's Trainer.

    It returns the directory of the training.
    """

    def run(distill_conf):
        return _train(distill_conf, make_args, tokens, wav_data, tmp_path)

    return run


def _train(distill_conf, make_args, tokens, wav_data, tmp_path):
    args = vars(make_args("rnn", **TRANSDUCER))
    keys = ("encoder", "encoder_conf", "frontend_conf", *TRANSDUCER)
    conf = {key: args[key] for key in keys}
    conf.update(max_epoch=2, batch_type="sorted", batch_size=2, num_workers=0)
    conf.update(use_tensorboard=False, use_matplotlib=False, num_att_plot=0)
    conf.update(best_model_criterion=[["valid", "loss_ctc", "min"]])
    conf.update(model_conf={"ctc_weight": 0.3})  # with ESPnet's search in validation
    conf.update(distill_conf=distill_conf)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(conf))
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    words = ["--config", tmp_path / "train.yaml", "--output_dir", tmp_path / "exp"]
    words += ["--token_type", "word", "--token_list", tmp_path / "tokens.txt"]
    for mode in ("train", "valid"):
        kind = f"--{mode}_data_path_and_name_and_type"
        words += [kind, f"{wav_data}/wav.scp,speech,sound"]
        words += [kind, f"{wav_data}/text,text,text"]
        words += [f"--{mode}_shape_file", wav_data / "speech_shape"]
    train(list(map(str, [*words, "--ngpu", 0])))
    return tmp_path / "exp"


def test_a_trained_one_is_exported_plain_and_decoded_by_espnets_search(
    train_by, teacher, wav_data, tmp_path, forget
):
    trained = train_by({"teacher": teacher, "terms": TERMS})
    forget()
    export = export_student(trained, "valid.loss_ctc.ave.pth")
    conf = yaml.safe_load((export / "config.yaml").read_text())
    assert conf["model"] == "espnet" and conf["decoder"] == "transducer"
    assert "espnet_tutornet" not in (export / "config.yaml").read_text()
    parameters = torch.load(export / "model.pth", weights_only=True)
    assert list(parameters) == list(student_state_dict(parameters))
    forget()
    model, _ = load_model(export / "config.yaml", export / "model.pth")
    assert type(model).__module__ == "espnet2.asr.espnet_model"

    words = ["--asr_train_config", export / "config.yaml", "--beam_size", 1]
    words += ["--asr_model_file", export / "model.pth", "--output_dir", tmp_path / "o"]
    words += ["--data_path_and_name_and_type", f"{wav_data}/wav.scp,speech,sound"]
    forget()
    asr_inference.main(list(map(str, words)))
    lines = (tmp_path / "o/1best_recog/text").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["u0", "u1", "u2"]


def test_it_learns_the_lattice_of_another_transducer(train_by, save_asr, tmp_path):
    provide_rnnt_loss("transducer")  # what builds it here is ESPnet's own task
    config, model = save_asr(tmp_path / "teacher", 3, "rnn", **TRANSDUCER)
    files = {"config": str(config), "model": str(model)}
    terms = {"transducer": {"criterion": "kl", "weight": 0.5}}
    trained = train_by({"teacher": files, "terms": terms})
    checkpoint = torch.load(trained / "checkpoint.pth", weights_only=False)
    stats = checkpoint["reporter"]["stats"][2]["valid"]
    assert stats["loss_transducer_path"] > 0 and stats["loss_transducer"] > 0
