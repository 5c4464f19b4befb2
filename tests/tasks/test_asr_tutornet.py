import argparse

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask

from espnet_tutornet.asr.tutornet_model import TutorNetASRModel, student_state_dict
from espnet_tutornet.bin.dump_teacher import main as dump_teacher
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask, check_token_lists

TERMS = {"rkd": {"weight": 2.0}, "skd": {"criterion": "kl", "temperature": 2.0}}


@pytest.fixture(scope="module")
def distill_conf(teacher_files):
    config, model = (str(path) for path in teacher_files)
    return {"teacher": {"config": config, "model": model}, "terms": TERMS}


@pytest.fixture
def parse(make_args, tmp_path, wav_data, tokens):
    """Return parse(*words, **arguments): what ESPnet's parser makes of them."""

    def run(*words, **given):
        args = vars(make_args(**given))
        keys = ("encoder", "encoder_conf", "frontend_conf", "model_conf", "specaug")
        config = {key: args[key] for key in (*keys, "specaug_conf") if args[key]}
        (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
        (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
        command = ["--config", str(tmp_path / "train.yaml")]
        command += ["--token_list", str(tmp_path / "tokens.txt")]
        command += ["--output_dir", str(tmp_path / "exp"), *words]
        return TutorNetTask.get_parser().parse_args(command)

    return run


def words_of(conf):
    words = []
    for key, value in conf["teacher"].items():
        words += ["--distill_conf", f"teacher.{key}={value}"]
    return words


def test_built_from_the_command_line_args_are_those_of_a_stock_task(
    parse, distill_conf, tmp_path, tokens
):
    terms = ["--distill_conf", "terms.skd.weight=0.5"]
    args = parse(*words_of(distill_conf), *terms)
    model = TutorNetTask.build_model(args)
    assert type(model) is TutorNetASRModel
    assert model.distiller.terms["skd"].weight == 0.5
    assert args.model == "espnet"
    assert not hasattr(args, "distill_conf")
    assert "distill" not in yaml.safe_dump(vars(args))
    recorded = yaml.safe_load((tmp_path / "exp" / "distill.yaml").read_text())
    assert recorded == {
        "teacher": distill_conf["teacher"],
        "terms": {"skd": {"weight": 0.5}},
    }
    stock = ASRTask.build_model(argparse.Namespace(**vars(args)))
    own = student_state_dict(model.state_dict())
    assert list(stock.state_dict()) == list(own)
    assert args.token_list == tokens


def test_terms_from_yaml_reach_the_model(make_args, distill_conf):
    model = TutorNetTask.build_model(make_args(distill_conf=distill_conf))
    assert set(model.distiller.terms) == {"rkd", "skd"}
    assert model.distiller.terms["rkd"].weight == 2.0
    assert model.distiller.terms["skd"].loss.temperature == 2.0
    assert model.task_weight == 1.0
    assert model.teacher.token_list == model.token_list


def test_task_weight_reaches_the_model(make_args, distill_conf):
    conf = {**distill_conf, "task_weight": 0.0}
    assert TutorNetTask.build_model(make_args(distill_conf=conf)).task_weight == 0.0


def test_without_distill_conf_it_is_a_student_without_teacher(parse, tmp_path):
    args = parse()
    model = TutorNetTask.build_model(args)
    assert model.distiller is None and model.teacher is None
    assert not (tmp_path / "exp" / "distill.yaml").exists()
    assert args.model == "espnet"


def test_collect_stats_does_not_load_the_teacher(parse, tmp_path):
    words = ["--distill_conf", "teacher.config=/nowhere/config.yaml"]
    args = parse(*words, "--collect_stats", "true")
    model = TutorNetTask.build_model(args)
    assert model.distiller is None and model.teacher is None
    assert not (tmp_path / "exp" / "distill.yaml").exists()
    assert not hasattr(args, "distill_conf")


def test_a_smaller_namespace_will_do(make_args, distill_conf):
    args = make_args(distill_conf=distill_conf)
    for name in ("output_dir", "collect_stats", "model", "specaug_conf"):
        if hasattr(args, name):
            delattr(args, name)
    assert TutorNetTask.build_model(args).teacher is not None


def build_with(make_args, conf, **given):
    return TutorNetTask.build_model(make_args(distill_conf=conf, **given))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"term": {}},
            r"distill_conf: unknown keys \['term'\].*'task_weight', 'teacher'",
        ),
        (
            {"terms": {"kd": {}}},
            r"terms: unknown term 'kd'.*'rkd', 'seq.*'skd', 'trans",
        ),
        ({"terms": {}}, "distill_conf: terms is missing"),
        ({"teacher": None}, "distill_conf: teacher is missing"),
        ({"teacher": {"dir": "x"}}, r"unknown keys \['dir'\].*'config', 'missing', 'm"),
        ({"teacher": {"config": "x"}}, r"teacher: \['model'\] missing"),
        ({"terms": {"rkd": {"width": 3}}}, r"terms: rkd: unknown keys \['width'\]"),
        (
            {"terms": {"rkd": {"student_layer": "enc.9"}}},
            "no layer 'enc.9'.*encoders.1",
        ),
        (
            {"terms": {"rkd": {"teacher_layer": "enc.9"}}},
            "no layer 'enc.9'.*encoders.1",
        ),
    ],
)
def test_bad_blocks_are_refused(make_args, distill_conf, change, message):
    with pytest.raises(ValueError, match=message):
        build_with(make_args, {**distill_conf, **change})


@pytest.mark.parametrize("key, text", [("config", "configuration"), ("model", "param")])
def test_missing_teacher_files_are_named(make_args, distill_conf, tmp_path, key, text):
    teacher = {**distill_conf["teacher"], key: str(tmp_path / "absent")}
    with pytest.raises(FileNotFoundError, match=f"absent: expected the.*{text}"):
        build_with(make_args, {**distill_conf, "teacher": teacher})


def test_nothing_is_recorded_of_a_block_that_is_refused(make_args, tmp_path):
    with pytest.raises(ValueError, match="teacher is missing"):
        build_with(make_args, {"terms": TERMS}, output_dir=str(tmp_path / "exp"))
    assert not (tmp_path / "exp").exists()


def test_skd_between_different_token_lists_is_refused(make_args, distill_conf, tokens):
    other = [*tokens[:3], "X", *tokens[4:]]
    with pytest.raises(
        ValueError, match="first difference at 3: 'X' and 'B'.*seen.*RKD alone"
    ):
        build_with(make_args, distill_conf, token_list=other)


def test_some_of_the_teachers_tokens_are_compared(
    make_args, distill_conf, tokens, batch
):
    """Its D, <unk> and what it gives to B and C: the rest of a student of 5 tokens."""
    fewer = [tokens[i] for i in (0, 1, 2, 5, 6)]
    text = torch.tensor([[2, 3, 2], [3, 2, -1]])
    batch = {**batch, "text": text}
    for unseen in ("unk", "renormalise"):
        conf = {**distill_conf, "unseen": unseen}
        model = build_with(make_args, conf, token_list=fewer).train()
        assert model.ctc.ctc_lo.out_features == 5
        assert model.teacher.token_list == fewer
        loss, stats, _ = model(**batch)
        loss.backward()
        assert stats["loss_skd"] > 0 and stats["loss_rkd"] > 0
    with pytest.raises(
        ValueError, match=r"unseen must be one of \['renormalise', 'unk"
    ):
        build_with(make_args, {**distill_conf, "unseen": "drop"})


def test_a_teacher_of_another_sampling_rate_is_refused(make_args, distill_conf):
    args = make_args(distill_conf=distill_conf)
    args.frontend_conf = {**args.frontend_conf, "fs": "8k"}
    with pytest.raises(ValueError, match="trained at 16000 Hz.*says fs: 8000"):
        TutorNetTask.build_model(args)


def test_rkd_alone_allows_different_token_lists(make_args, distill_conf, tokens, batch):
    conf = {**distill_conf, "terms": {"rkd": {}}}
    other = [*tokens[:3], "X", "Y", *tokens[3:]]
    model = build_with(make_args, conf, token_list=other).train()
    loss, stats, _ = model(**batch)
    loss.backward()
    assert stats["loss_rkd"] > 0


@pytest.mark.parametrize(
    "student, teacher, message",
    [
        (["a", "b"], ["a", "b", "c"], "2 tokens, teacher 3; .* at 2: None and 'c'"),
        (["a", "b", "c"], ["a"], "3 tokens, teacher 1; .* at 1: 'b' and None"),
        (["a", "b"], ["b", "a"], "at 0: 'a' and 'b'"),
    ],
)
def test_first_difference_of_token_lists_is_named(student, teacher, message):
    check_token_lists(teacher, list(teacher))
    with pytest.raises(ValueError, match=message):
        check_token_lists(student, teacher)


@pytest.mark.parametrize("conf", [{}, {"apply_time_warp": True}])
def test_time_warp_is_refused(make_args, distill_conf, conf):
    conf = {"time_mask_width_range": [0, 4], **conf}
    with pytest.raises(ValueError, match="apply_time_warp is on.*apply_time_warp: fal"):
        build_with(make_args, distill_conf, specaug="specaug", specaug_conf=conf)


def test_specaug_without_time_warp_is_allowed(make_args, distill_conf):
    conf = {"apply_time_warp": False, "freq_mask_width_range": [0, 4]}
    conf["time_mask_width_range"] = [0, 4]
    build_with(make_args, distill_conf, specaug="specaug", specaug_conf=conf)


def test_distillation_does_not_shift_the_students_random_numbers(
    make_args, distill_conf
):
    models, states = [], []
    for conf in ({}, distill_conf):
        torch.manual_seed(11)
        models.append(build_with(make_args, conf))
        states.append(torch.get_rng_state())
    plain, distilled = models
    own = student_state_dict(distilled.state_dict())
    assert list(own) == list(plain.state_dict())
    assert all(torch.equal(v, own[k]) for k, v in plain.state_dict().items())
    assert torch.equal(*states), "dropout and SpecAug would differ in training"


def train(tmp_path, wav_data, tokens, make_args, *words, **more):
    """Train one epoch with ESPnet's Trainer; return its output directory."""
    args = vars(make_args())
    keys = ("encoder", "encoder_conf", "frontend_conf", "model_conf")
    config = {key: args[key] for key in keys}
    config.update(max_epoch=1, batch_type="sorted", batch_size=3, num_workers=0)
    config.update(optim="adam", optim_conf={"lr": 0.001}, use_matplotlib=False)
    config.update(use_tensorboard=False, num_att_plot=0, token_type="word")
    config.update(best_model_criterion=[["valid", "loss_rkd", "min"]], **more)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    command = ["--config", str(tmp_path / "train.yaml"), "--ngpu", "0"]
    command += ["--token_list", str(tmp_path / "tokens.txt")]
    command += ["--output_dir", str(tmp_path / "exp")]
    for part in ("train", "valid"):
        command += [f"--{part}_shape_file", str(wav_data / "speech_shape")]
        for name, kind in (("wav.scp,speech", "sound"), ("text,text", "text")):
            triple = f"{wav_data}/{name},{kind}"
            command += [f"--{part}_data_path_and_name_and_type", triple]
    TutorNetTask.main(cmd=[*command, *words])
    return tmp_path / "exp"


@pytest.fixture
def quiet_main(monkeypatch):
    """Keep what ESPnet's main sets for its whole process out of the other tests."""
    import logging

    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def test_the_same_steps_from_online_cached_and_several_teachers(
    tmp_path, wav_data, tokens, make_args, distill_conf, quiet_main
):
    """A teacher and itself, asked twice, are one: parameters agree after an epoch."""
    files = distill_conf["teacher"]
    (wav_data / "utt2num_samples").write_text((wav_data / "speech_shape").read_text())
    cache = tmp_path / "cache"
    dump_teacher(
        ["--teacher_config", files["config"], "--teacher_model", files["model"]]
        + ["--data_dirs", str(wav_data), "--out_dir", str(cache)]
        + ["--hidden_form", "two_byte", "--top_k", str(len(tokens))]
    )
    teachers = {
        "online": files,
        "cached": {"cache": str(cache)},
        "several": {"members": {"a": {"cache": str(cache)}, "b": files}},
    }
    trained = {}
    for name, teacher in teachers.items():
        (tmp_path / name).mkdir()
        conf = {"teacher": teacher, "terms": {"rkd": {}, "skd": {"weight": 1.0}}}
        # not Adam: it would blow up rounding where the gradient is all but zero
        more = {"distill_conf": conf, "optim": "sgd", "optim_conf": {"lr": 0.1}}
        out = train(tmp_path / name, wav_data, tokens, make_args, **more)
        trained[name] = torch.load(out / "1epoch.pth", weights_only=True)
    assert "distiller.terms.rkd.loss.adapter.weight" in trained["online"]
    for name in ("cached", "several"):
        for key, value in trained["online"].items():
            torch.testing.assert_close(trained[name][key], value, atol=1e-4, rtol=0)


def test_espnets_trainer_trains_and_leaves_a_plain_config(
    tmp_path, wav_data, tokens, make_args, distill_conf, quiet_main
):
    words = [*words_of(distill_conf), "--distill_conf", "terms.rkd.weight=1.0"]
    words += ["--distill_conf", "terms.skd.weight=0.25"]
    out = train(tmp_path, wav_data, tokens, make_args, *words)
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["model"] == "espnet"
    assert "distill_conf" not in config
    assert (
        str(distill_conf["teacher"]["model"]) not in (out / "config.yaml").read_text()
    )
    parameters = torch.load(out / "1epoch.pth", weights_only=True)
    adapters = set(parameters) - set(student_state_dict(parameters))
    assert adapters == {
        f"distiller.terms.rkd.loss.adapter.{x}" for x in ("weight", "bias")
    }
    stock = ASRTask.build_model(argparse.Namespace(**config))
    stock.load_state_dict(student_state_dict(parameters), strict=True)
