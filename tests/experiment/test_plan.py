"""Runs and jobs that options mean, without torch and in no time."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from espnet_tutornet.encoder.register import ENCODERS
from espnet_tutornet.experiment.commands import Commands
from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.handover import copy_checks, copy_jobs, split_sets
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.experiment.plan import Plan
from espnet_tutornet.experiment.stages import Stages
from espnet_tutornet.experiment.traits import OUR_ENCODERS, has_ctc

TRAIN = {"encoder": "rnn", "batch_type": "sorted", "batch_size": 2}


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Go to a recipe whose stages 1 to 4 were run: 10 utterances, 30 with audio."""
    monkeypatch.chdir(tmp_path)
    files = {"conf/train_a.yaml": TRAIN, "conf/train_teacher.yaml": TRAIN}
    files["conf/train_j.yaml"] = {**TRAIN, "encoder": "jasper"}
    files["conf/distill_rkd.yaml"] = {"distill_conf": {"terms": {"rkd": None}}}
    files["conf/distill_skd.yaml"] = {"distill_conf": {"terms": {"skd": None}}}
    files["conf/distill_skdwithrkd.yaml"] = {
        "distill_conf": {"terms": {"rkd": {}, "skd": {}}}
    }
    files["conf/decode_ctc_bs1.yaml"] = {"beam_size": 1}
    files["conf/decode_ctc_greedy.yaml"] = {"search": "best_path"}
    files["exp/teacher/config.yaml"] = {**TRAIN, "max_epoch": 25}
    for name, conf in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(conf))
    texts = {"dump/train_clean/text": 10, "dump/train_clean+found_unlabelled/text": 30}
    for name, lines in texts.items():
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("u A\n" * lines)
    tokens = Path("data/token_list/char")
    tokens.mkdir(parents=True)
    (tokens / "token_type").write_text("char\n")
    Path("data/fs").write_text("8000\n")


def plan(methods, **options):
    given = {"student_asr_config": "conf/train_a.yaml", "corpus_dir": "x", **options}
    return Plan(Options(methods=methods, **given))


def args_of(job):
    """Return option -> its values."""
    found, name = {}, ""
    for word in job.args:
        if word.startswith("--"):
            name = word[2:]
            found.setdefault(name, [])
        else:
            found[name].append(word)
    return found


def train(plan, which):
    (run,) = which
    job = Commands(plan).train_job(run)
    conf = yaml.safe_load((job.log.parent / "train.yaml").read_text())
    return job, args_of(job), conf


def test_runs_follow_methods_students_and_seeds(recipe):
    made = plan(
        "none rkd_skd rkd_task rkd_skdwithrkd",
        seeds="1 2",
        student_asr_config="conf/train_a.yaml conf/train_j.yaml",
    )
    assert [run.name for run in made.first_runs()] == [
        *("a_rkd_seed1", "a_rkd_seed2", "j_rkd_seed1", "j_rkd_seed2")
    ]
    assert len(made.runs()) == 4 * 2 * 2
    parts = [*made.two_stage_runs(), *made.other_runs()]
    assert sorted(map(str, parts)) == sorted(map(str, made.runs()))
    assert {run.method.name for run in made.two_stage_runs()} == {
        "rkd_skd",
        "rkd_skdwithrkd",
    }


def test_without_distillation_the_student_is_espnets_own(recipe):
    job, args, conf = train(plan("none"), plan("none").other_runs())
    assert job.module == "espnet2.bin.asr_train"
    assert "distill_conf" not in args and "init_param" not in args
    assert conf["max_epoch"] == 20 and "distill_conf" not in conf
    jasper = plan("none", student_asr_config="conf/train_j.yaml")
    job, *_ = train(jasper, jasper.other_runs())
    assert job.module == "espnet_tutornet.bin.asr_train"
    masked = plan("none", mask_padding="all")
    assert train(masked, masked.other_runs())[0].module == job.module


def test_stage_2_starts_from_what_stage_1_left(recipe):
    made = plan("rkd_skd", rkd_epochs="0.3", total_epochs=10)
    first, args, conf = train(made, made.first_runs())
    assert conf["max_epoch"] == 3 and conf["distill_conf"] == {"terms": {"rkd": None}}
    assert args["distill_conf"] == ["teacher.cache=exp/teacher/outputs"]
    second, args, conf = train(made, made.runs())
    assert conf["max_epoch"] == 7 and conf["distill_conf"] == {"terms": {"skd": None}}
    model = "exp/a_rkd_seed1/valid.loss_rkd.best.pth"
    assert args["init_param"] == [f"{model}:::distiller."]
    assert first.done in second.depends
    export = args_of(Commands(made).export_job(made.first_runs()[0]))
    assert f"{export['expdir'][0]}/{export['checkpoint'][0]}" == model


def test_rkd_that_is_kept_on_takes_its_adapter_along(recipe):
    made = plan("rkd_skdwithrkd")
    _, args, _ = train(made, made.runs())
    adapter = ":distiller.terms.rkd:distiller.terms.rkd"
    assert args["init_param"][1].endswith(f"valid.loss_rkd.best.pth{adapter}")


def test_a_student_that_begins_as_blocks_of_its_teacher_has_all_epochs(recipe):
    made = plan("copy_task copy_skd rkd_skd", total_epochs=10, seeds="1 2")
    assert [run.name for run in made.first_runs()] == ["a_rkd_seed1", "a_rkd_seed2"]
    copied = [run for run in made.other_runs() if run.seed == 1]
    assert [run.name for run in copied] == ["a_copy_task_seed1", "a_copy_skd_seed1"]
    for run in copied:
        job, args, conf = train(made, [run])
        assert conf["max_epoch"] == 10
        assert args["init_param"] == ["exp/starts/a_copy/model.pth"]
        assert Path("exp/starts/a_copy/.copy.done") in job.depends
        assert ("distill_conf" in args) == (run.method.criterion == "skd")


def test_blocks_are_copied_once_for_each_student_and_form(recipe):
    Path("conf/distill_copyfirst.yaml").write_text("copy_layers: [0]\n")
    made = plan("copy_task copy_skd copyfirst_task", seeds="1 2")
    jobs = copy_jobs(made.layout, 8000)
    assert [str(job.done) for job in jobs] == [
        *("exp/starts/a_copy/.copy.done", "exp/starts/a_copyfirst/.copy.done")
    ]
    assert "overlay" not in args_of(jobs[0])
    assert args_of(jobs[1])["overlay"] == ["conf/distill_copyfirst.yaml"]
    assert Path("conf/distill_copyfirst.yaml") in jobs[1].depends
    Path("conf/distill_copy.yaml").write_text("copy_layers: [0]\n")
    assert "overlay" in args_of(copy_jobs(made.layout, 8000)[0])
    alone, first = copy_checks(made.layout, 8000)  # before the teacher is trained
    assert alone[3] == "conf/train_teacher.yaml" and "--teacher_model" not in alone
    assert first[-2:] == ["--overlay", "conf/distill_copyfirst.yaml"]
    assert not copy_checks(plan("copy_task", teacher="x.zip").layout, 8000)
    with pytest.raises(UsageError, match="needs conf/distill_copylast.yaml"):
        plan("copylast_skd")


def test_the_task_loss_after_rkd_needs_no_teacher(recipe):
    made = plan("rkd_task")
    job, args, _ = train(made, made.runs())
    assert job.module == "espnet2.bin.asr_train" and "distill_conf" not in args
    assert args["init_param"] == [
        "exp/a_rkd_seed1/valid.loss_rkd.best.pth:::distiller."
    ]


def test_students_learn_the_text_that_was_taken_over(recipe):
    """What has no text, too, where they learn from the teacher's outputs."""
    given = dict(unlabelled_sets="found", pseudo_labels="true")
    made = plan("none skd", **given)
    for some, lines in (("", 20), ("_all", 30)):
        text = Path(f"exp/data/train_clean+found_unlabelled{some}_pseudo/text")
        text.parent.mkdir(parents=True)
        text.write_text("u A\n" * lines)
    for run, some in zip(made.other_runs(), ("", "_all")):
        job, args, conf = train(made, [run])
        text = f"exp/data/train_clean+found_unlabelled{some}_pseudo/text,text,text"
        assert text in args["train_data_path_and_name_and_type"]
        # an epoch is as long for all
        assert conf.get("num_iters_per_epoch", 15) == 15
    assert 8 in plan("none", **given).stages()
    Path("exp/data/train_clean+found_unlabelled_pseudo/text").unlink()
    for name in ("dump/train_clean/wav.scp", "data/token_list/char/tokens.txt"):
        Path(name).touch()
    Path("exp/teacher/valid.loss_ctc.ave.pth").touch()
    assert made.missing_before(9)[0] == 8 and made.missing_before(8)[0] == 0


def test_what_a_recogniser_hears_is_split_without_what_is_not_trained_on(recipe):
    made = plan("none", unlabelled_sets="found", pseudo_labels="true", nj=1)
    ids = [f"u{n:03}" for n in range(450)]
    Path("data/found_unlabelled").mkdir()
    for name in ("wav.scp", "utt2num_samples"):
        lines = "".join(f"{utt_id} 900\n" for utt_id in ids)
        Path("data/found_unlabelled", name).write_text(lines)
    scp = Path("dump/train_clean+found_unlabelled/wav.scp")
    scp.write_text("".join(f"sp0.9-{i} x\n{i} x\n" for i in ids[:401]))
    parts = split_sets(made.layout, made.text_sets)
    assert parts == [f"pseudo/found_unlabelled/{n}" for n in (1, 2, 3)]
    lines = [Path("data", p, "wav.scp").read_text().splitlines() for p in parts]
    assert [len(part) for part in lines] == [200, 200, 1]
    assert lines[2] == ["u400 900"]
    assert Path("data", parts[2], "utt2num_samples").read_text() == "u400 900\n"
    too = plan("none", pseudo_text="x", pseudo_labelled="true", unlabelled_sets="found")
    assert too.text_sets == ["found_unlabelled", "train_clean"]


def test_epochs_last_alike_with_unlabelled_audio_and_without(recipe):
    made = plan("none skd", unlabelled_sets="found")
    none, skd = made.other_runs()
    job, args, conf = train(made, [none])
    assert conf["num_iters_per_epoch"] == 15
    text = "dump/train_clean/text,text,text"
    assert text in args["train_data_path_and_name_and_type"]
    job, args, conf = train(made, [skd])
    assert "num_iters_per_epoch" not in conf
    text = "dump/train_clean+found_unlabelled/text,text,text"
    assert text in args["train_data_path_and_name_and_type"]


def test_an_epoch_of_the_teacher_is_that_of_its_own_set(recipe):
    """Also where it has as many epochs as students have."""
    made = plan("skd", unlabelled_sets="found", teacher_epochs=20)
    Commands(made).teacher_job()
    conf = yaml.safe_load(Path("exp/teacher/train.yaml").read_text())
    assert conf["max_epoch"] == 20 and "num_iters_per_epoch" not in conf


@pytest.mark.parametrize(
    "options, teacher",
    [
        ({}, ["cache=exp/teacher/outputs"]),
        ({"cache_missing": "skip"}, ["cache=exp/teacher/outputs", "missing=skip"]),
        ({"teacher_outputs": "online"}, ["config=exp/teacher/config.yaml", "model=M"]),
        ({"teacher_outputs": "config"}, None),
    ],
)
def test_where_the_teacher_is_heard(recipe, options, teacher):
    made = plan("skd", inference_asr_model="m.pth", **options)
    _, args, _ = train(made, made.runs())
    expected = teacher and [
        f"teacher.{x}".replace("M", "exp/teacher/m.pth") for x in teacher
    ]
    assert args.get("distill_conf") == expected


def test_decoding_is_by_the_search_that_is_asked_for(recipe):
    def decode(name, **options):
        made = plan("none", **options)
        (job,) = Commands(made).decode_jobs(name, ["test_clean"])
        return job

    Path("exp/a_none_seed1/export").mkdir(parents=True)
    Path("exp/a_none_seed1/export/config.yaml").write_text("encoder: rnn\n")
    job = decode("a_none_seed1", gpu_inference=True)
    assert job.module == "espnet2.bin.asr_inference" and args_of(job)["ngpu"] == ["1"]
    assert str(job.log) == "exp/a_none_seed1/decode_ctc_bs1/test_clean/decode.log"
    streamed = dict(use_streaming=True, sim_chunk_length=320)
    assert decode("a_none_seed1", **streamed).module.endswith("inference_streaming")
    assert decode("teacher", **streamed).module == "espnet2.bin.asr_inference"
    job = decode("teacher", inference_config="conf/decode_ctc_greedy.yaml")
    assert job.module == "espnet_tutornet.bin.best_path"
    assert "decode_ctc_greedy/test_clean" in str(job.log)


def test_best_paths_are_planned_before_there_is_a_student(recipe):
    made = plan("none", inference_config="conf/decode_ctc_greedy.yaml")
    (job,) = Commands(made).decode_jobs("a_none_seed1", ["test_clean"])
    assert job.module == "espnet_tutornet.bin.best_path"


def test_the_teacher_check_takes_best_paths_where_there_is_ctc(recipe):
    commands = Commands(plan("none"))
    (job,) = commands.decode_jobs("teacher", ["dev_clean"], "check")
    assert job.module == "espnet_tutornet.bin.best_path"
    Path("exp/teacher/config.yaml").write_text("model_conf: {ctc_weight: 0.0}\n")
    assert not has_ctc("exp/teacher/config.yaml")
    (job,) = commands.decode_jobs("teacher", ["dev_clean"], "check")
    assert job.module == "espnet2.bin.asr_inference"


def test_an_encoder_alone_is_measured_and_not_decoded(recipe):
    made = plan("none")
    commands, run = Commands(made), made.other_runs()[0]
    asked = [str(path) for path in commands.pack_job(run).depends]
    assert "exp/teacher/measure.json" in asked
    conf = {"toolkit": "huggingface", "model_conf": {"ctc_weight": 0.0}}
    Path("exp/teacher/config.yaml").write_text(yaml.safe_dump(conf))
    for kind in ("", "check"):
        assert not commands.decode_jobs("teacher", ["dev_clean"], kind)
    assert len(commands.decode_jobs(run.name, ["dev_clean"])) == 1
    job = commands.pack_job(run)
    assert not any("teacher" in str(path) for path in job.depends)
    assert "--inference_config" not in job.args, "no scores for a card"


def test_a_transducer_is_trained_and_decoded_where_its_loss_is(recipe):
    """ESPnet's own commands want a package for it; masked is only what is asked for."""
    conf = {**TRAIN, "decoder": "transducer", "model_conf": {"ctc_weight": 0.3}}
    Path("conf/train_t.yaml").write_text(yaml.safe_dump(conf))
    made = plan("none", student_asr_config="conf/train_t.yaml")
    assert train(made, made.other_runs())[0].module.endswith(
        "tutornet.bin.tutornet_train"
    )
    modules = {job.module for job in Commands(made).statistics_jobs()}
    assert modules == {"espnet2.bin.asr_train", "espnet_tutornet.bin.tutornet_train"}
    masked = plan("none", student_asr_config="conf/train_t.yaml", mask_padding="all")
    job, *_ = train(masked, masked.other_runs())
    assert job.module == "espnet_tutornet.bin.asr_train"
    Path("exp/t_none_seed1/export").mkdir(parents=True)
    Path("exp/t_none_seed1/export/config.yaml").write_text(yaml.safe_dump(conf))
    for inference, words in (
        ("conf/decode_ctc_bs1.yaml", ["--config", "conf/decode_ctc_bs1.yaml"]),
        ("conf/decode_ctc_greedy.yaml", ["--beam_size", "1"]),
    ):
        made = plan("none", inference_config=inference)
        (job,) = Commands(made).decode_jobs("t_none_seed1", ["test_clean"])
        assert job.module == "espnet_tutornet.bin.asr_inference"
        assert list(job.args[:2]) == words


@pytest.mark.parametrize(
    "methods, options, idle",
    [
        ("none", {}, {2, 8, 9, 10}),
        ("skd", {}, {2, 9, 10}),
        ("rkd_task", {"noisy_sets": "test_clean"}, {10}),
        ("rkd_skd", {"teacher_outputs": "online"}, {2, 8, 11}),
        ("", {}, {2, 8, 9, 10, 11}),
        ("none skd rkd_skd", {"teacher": "x.zip"}, {2, 6}),
        ("copy_task", {}, {2, 9, 10}),
        ("copy_skd", {"teacher_outputs": "online"}, {2, 9, 10}),
    ],
)
def test_stages_without_work_are_not_run(recipe, methods, options, idle):
    stages = plan(methods, **options).stages()
    assert set(range(15)) - set(stages) == idle


@pytest.mark.parametrize(
    "methods, options, message",
    [
        ("kl", {}, "kl needs conf/distill_kl.yaml, which is not there"),
        ("rkd", {}, "rkd is stage 1 alone"),
        ("rkd_skd", {"rkd_epochs": "20"}, "--rkd_epochs 20 must be under --total_ep"),
        ("none", {"noisy_sets": "dev"}, "--noisy_sets: dev is not one of --test_sets"),
        ("none", {"num_labelled": "3", "train_set": "a b"}, "from one train_set"),
        ("none", {"student_asr_config": "a/x.yaml b/x.yaml"}, "have one name"),
        ("none", {"pseudo_labels": "true"}, "audio without transcripts, but there is"),
        ("none", {"pseudo_labels": "true", "pseudo_text": "x"}, "give one of them"),
        (
            "none",
            {"pseudo_text": "x", "num_labelled": "3", "pseudo_wer_max": "few"},
            "--pseudo_wer_max must be a number, got few",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(recipe, methods, options, message):
    with pytest.raises(UsageError, match=message):
        plan(methods, **options)


def test_tokens_are_the_teachers_where_posteriors_are_compared(recipe):
    assert plan("skd", teacher="x.zip").layout.token_name == "teacher"
    assert plan("rkd_task", teacher="x.zip").layout.token_name == "char"
    assert plan("skd", token_type="bpe", nbpe=80).layout.token_name == "bpe80"
    for methods in ("skd", "rkd_task"):
        made = plan(methods, teacher="x.zip", student_tokens="seen")
        assert made.layout.tokendir == "data/token_list/teacher_seen"


def test_our_encoders_are_those_that_are_registered():
    assert set(OUR_ENCODERS) == set(ENCODERS)


def test_planning_loads_neither_torch_nor_espnet(recipe):
    code = "import sys, espnet_tutornet.experiment.stages;"
    code += "print(sorted({'torch', 'espnet2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    "options, together",
    [
        ({}, True),
        ({"inference_nj": 1}, False),
        ({"stop_stage": 11}, False),
        ({"skip_stages": "13"}, True),
    ],
)
def test_students_are_decoded_while_the_last_ones_train(
    recipe, monkeypatch, options, together
):
    """Each waits for its export, by the commands that its configuration needs."""
    monkeypatch.delenv("train_cmd", raising=False)
    students = "conf/train_a.yaml conf/train_j.yaml"
    made = plan("none", student_asr_config=students, stage=11, **options)
    stages, launched = Stages(made.options), {}
    stages.check = lambda: None
    stages.models.launch = lambda title, jobs, *a, **k: launched.update({title: jobs})
    for after in ("decode", "score", "pack"):
        monkeypatch.setattr(stages.models, after, lambda: None)
    stages.run_all()
    jobs = launched["students"]
    kinds = [job.module.rpartition(".")[2] for job in jobs]
    decodings = [job for job in jobs if job.log.name == "decode.log"]
    assert kinds[:4] == ["asr_train"] * 2 + ["export_student"] * 2
    if not together:
        assert len(jobs) == 4 and not decodings
        return
    sets = len(made.layout.test_sets)
    assert kinds[4:] == ["asr_inference"] * (3 * sets)  # teacher, a, j
    for number, export in ((1, jobs[2]), (2, jobs[3])):
        for job in decodings[number * sets : (number + 1) * sets]:
            assert export.done in job.depends
            assert job.module.startswith("espnet_tutornet") == (number == 2)


def test_a_set_with_a_moment_of_audio_is_decoded_by_ours(recipe):
    """Stock ESPnet dies of audio that is shorter than a window of its STFT."""
    made = plan("none")
    Path("exp/a_none_seed1/export").mkdir(parents=True)
    Path("exp/a_none_seed1/export/config.yaml").write_text("encoder: rnn\n")
    lengths = Path("data/test_clean/utt2num_samples")
    lengths.parent.mkdir(parents=True)
    for shortest, host in ((800, "espnet2"), (799, "espnet_tutornet")):
        lengths.write_text(f"u1 9000\nu2 {shortest}\n")
        (job,) = Commands(made).decode_jobs("a_none_seed1", ["test_clean"])
        assert job.module == f"{host}.bin.asr_inference"


def test_a_transducer_is_not_decoded_in_chunks(recipe):
    Path("conf/train_t.yaml").write_text("{encoder: rnn, decoder: transducer}")
    made = plan("none", student_asr_config="conf/train_t.yaml", use_streaming=True)
    with pytest.raises(UsageError, match="conf/train_t.yaml is a transducer"):
        Stages(made.options).check()
