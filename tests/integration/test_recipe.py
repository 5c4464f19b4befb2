"""The recipe from audio to packed students, run again, and with a changed input."""

import csv
import itertools
import json
import os
import shutil
import sys

import pytest
import yaml

from espnet_tutornet.bin.report import main as report
from espnet_tutornet.data.data_dir import read_data_dir, write_data_dir
from espnet_tutornet.data.transcripts import hide_transcripts
from espnet_tutornet.experiment.methods import Method

BEST_PATH = "conf/decode_ctc_greedy.yaml"
pytestmark = pytest.mark.integration

SETS = ("test_clean", "test_other")


def _runs(students, methods):
    return [f"{s}_{method}_seed1" for s in students for method in methods]


def _mtimes(exp):
    """Return path -> mtime of the products, less those that every run writes anew.

    Scoring takes under a second and follows the references, which stage 1 rewrites.
    """
    rewritten = {"RESULTS.md", "scores.csv", "measure.json", "run.yaml"}
    rewritten |= {"train.yaml", "collect.yaml", ".lock"}
    return {
        str(path.relative_to(exp)): path.stat().st_mtime_ns
        for path in exp.rglob("*")
        if path.is_file()
        and path.name not in rewritten
        and not [part for part in path.parts if part.startswith("score")]
    }


@pytest.fixture(scope="module")
def repeated(finished, call):
    """Return the products' mtimes before and after a second run, and its log."""
    before = _mtimes(finished.exp)
    output = call(finished.command(), shell=True)
    return before, _mtimes(finished.exp), output


def test_all_stages_end_well(finished):
    log = (finished.root / "run.log").read_text()
    for stage in (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14):
        assert f"Stage {stage}: " in log
    assert "Successfully finished. [elapsed=" in log.splitlines()[-1]


def test_data_and_tokens_are_there(finished):
    for name, count in (("train_clean", 24), ("dev_clean", 8)):
        for top in ("data", "dump"):
            for file in ("wav.scp", "text", "utt2spk", "utt2num_samples"):
                lines = (finished.root / top / name / file).read_text().splitlines()
                assert len(lines) == count
        removed = (finished.root / "dump" / name / "removed.tsv").read_text()
        assert removed == "utt_id\treason\tvalue\n"
    tokens = (finished.root / "data/token_list/char/tokens.txt").read_text().split("\n")
    assert tokens[0] == "<blank>" and tokens[-2] == "<sos/eos>"
    for name in ("teacher", "student_conformer", "student_rnn"):
        assert (finished.exp / f"stats_{name}/train/feats_stats.npz").is_file()


def test_every_method_trains_the_same_number_of_epochs(finished, students, methods):
    def made(run):
        return yaml.safe_load((finished.exp / run / "train.yaml").read_text())

    totals = {}
    for student, method in itertools.product(students, methods):
        run = f"{student}_{method}_seed1"
        totals[run] = made(run)["max_epoch"]
        form = Method.parse(method).form
        if form:
            totals[run] += made(f"{student}_{form}_seed1")["max_epoch"]
        # of 2 in its configuration, a quarter of all epochs at most: for all alike
        assert made(run)["keep_nbest_models"] == 1
    assert totals == {run: 6 for run in _runs(students, methods)}


def test_a_student_starts_from_that_of_stage_1(finished, students):
    for student in students:
        for method in ("rkd_task", "rkd_skd", "rkdoutput_skd"):
            form = Method.parse(method).form
            conf = finished.exp / f"{student}_{method}_seed1/config.yaml"
            init, *adapters = yaml.safe_load(conf.read_text())["init_param"]
            assert init.startswith(f"{finished.exp}/{student}_{form}_seed1/")
            assert not adapters  # stage 2 has no RKD
            log = (conf.parent / "train.log").read_text()
            assert "Loading pretrained params from" in log
            assert "Filter out" not in log


def test_rkd_that_is_kept_on_goes_on_with_its_adapter(finished, call, conf, tmp_path):
    here = finished.elsewhere(tmp_path, copied=["exp"])
    options = dict(
        methods="rkd_skdwithrkd", student_asr_config=conf / "train_student_rnn.yaml"
    )
    call(here.command(stage=10, stop_stage=10, total_epochs=8, **options))
    run = here.exp / "student_rnn_rkd_skdwithrkd_seed1"
    made = yaml.safe_load((run / "train.yaml").read_text())
    # a quarter of all epochs, not of the 5 of this stage
    assert made["max_epoch"] == 5 and made["keep_nbest_models"] == 2
    log = (run / "train.log").read_text()
    first = here.exp / "student_rnn_rkd_seed1/valid.loss_rkd.best.pth"
    assert f"Loading pretrained params from {first}:::distiller." in log
    assert f" {first}:distiller.terms.rkd:distiller.terms.rkd" in log


def test_every_student_is_exported_decoded_scored_and_packed(
    finished, students, methods
):
    for run in _runs(students, methods):
        folder = finished.exp / run
        assert (folder / "export/model.pth").is_file()
        assert (folder / f"{run}.zip").is_file()
        for name in SETS:
            decoded = finished.decoded(run, name)
            assert len((decoded / "text").read_text().splitlines()) == 6
            assert json.loads((decoded / "score.json").read_text())["wer"]["Snt"] == 6
        measured = json.loads((folder / "measure.json").read_text())
        assert measured["parameters"] > 1000 and measured["rtf"] > 0


def test_distillation_lowers_its_own_loss(finished, students):
    for student in students:
        log = (finished.exp / f"{student}_rkd_seed1/train.log").read_text()
        lines = [line for line in log.splitlines() if "epoch results: [train]" in line]
        losses = [float(line.split("loss_rkd=")[1].split(",")[0]) for line in lines]
        assert len(losses) == 3 and losses[-1] < losses[0]


def test_the_tables_have_a_row_for_every_run(finished, students, methods):
    with (finished.exp / "scores.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert sorted(row["run"] for row in rows) == sorted(
        ["teacher", *_runs(students, methods)]
    )
    for row in rows:
        assert row["total_epochs"] == ("3" if row["method"] == "teacher" else "6")
        assert float(row["wer_test_clean"]) >= 0 and float(row["wer_test_other"]) >= 0
    page = (finished.exp / "RESULTS.md").read_text()
    for name in students:
        lines = [line for line in page.splitlines() if line.startswith(f"| {name} ")]
        assert len(lines) == len(methods)
    assert "| teacher " in page and "### WER" in page and "### CER" in page


def test_the_report_compares_the_students_on_their_test_sets(finished, tmp_path):
    words = ["--expdir", finished.exp, "--datadir", finished.root / "data"]
    words += ["--page", tmp_path / "report", "--utterances", 1, "--spike_utterances", 1]
    report([str(word) for word in words])
    page = (tmp_path / "report/report.html").read_text()
    for name in SETS:
        assert f"{name}: WER against parameters" in page
    # the teacher alone was decoded there, when it was checked
    assert (finished.exp / "teacher/check/dev_clean/text").is_file()
    assert "dev_clean: WER against" not in page
    assert "No student has decoded texts both" not in page


def test_a_second_run_redoes_nothing(repeated):
    before, after, output = repeated
    assert before == after
    counts = [line for line in output.splitlines() if " to do, " in line]
    assert len(counts) >= 9 and all(": 0 to do, " in line for line in counts)
    assert "Successfully finished" in output


def test_a_changed_weight_retrains_only_what_uses_it(repeated, finished, call, conf):
    """Runs in place: no other test reads parameters of the run that changes."""
    before = _mtimes(finished.exp)
    final = finished.exp / "student_conformer_skd_seed1/export/model.pth"
    old = final.read_bytes()
    changed = finished.root / "skd.yaml"
    changed.write_text(
        "distill_conf: {terms: {skd: {weight: 5.0}}, task_weight: 1.0}\n"
    )
    output = call(
        finished.command(
            stage=5,
            stop_stage=11,
            methods="skd rkd_task",
            student_asr_config=conf / "train_student_conformer.yaml",
            skd_config=changed,
        ),
        shell=True,
    )
    after = _mtimes(finished.exp)
    touched = {path.split("/")[0] for path in before if before[path] != after[path]}
    assert touched == {"student_conformer_skd_seed1"}
    assert "RKD: 0 to do, 2 done before" in output
    assert "comparison: 2 to do, 2 done before" in output
    assert final.read_bytes() != old
    log = (final.parents[1] / "train.log").read_text()
    assert log.count("1/6epoch started") == 2  # from the start, not resumed


@pytest.mark.parametrize(
    "words, message",
    [
        (["--stage", "15"], "--stage 15 is past the last stage, 14"),
        (["--train_args", "1"], "--train_args is called --asr_args now"),
        (["--stag", "1"], "unknown option --stag. Try ./run.sh --help"),
        (["--stage"], "option --stage needs a value"),
        (["stage"], "unexpected argument stage"),
        (["--corpus", "ted"], "--corpus must be mini, "),
        (["--cache_missing", "x"], "--cache_missing must be error, skip or online"),
        (["--rkd_epochs", "6"], "--rkd_epochs 6 must be under --total_epochs 6"),
        (["--methods", "rkd"], "--methods: rkd is stage 1 alone, expected rkd_task"),
        (
            ["--methods", "x_y"],
            "x_y needs conf/distill_x_y.yaml, which is not there",
        ),
        (
            ["--methods", "rkdmask_kl", "--conf_dir", "elsewhere"],
            "rkdmask_kl needs elsewhere/distill_rkdmask.yaml, which is not there",
        ),
        (
            ["--token_type", "teacher"],
            "--token_type teacher is of a teacher that is brought",
        ),
        (
            ["--use_streaming", "true", "--inference_config", BEST_PATH],
            f"{BEST_PATH} decodes whole utterances",
        ),
        (["--keep_going", "x"], "--keep_going must be true or false, got x"),
        (
            ["--teacher_asr_model_file", "a.pth"],
            "--teacher_asr_train_config and --teac",
        ),
        (
            ["--num_labelled", "9", "--train_set", "a b"],
            "--num_labelled takes transcripts from one train_set, got a b",
        ),
    ],
)
def test_a_wrong_command_line_is_refused(setup, call, tmp_path, words, message):
    here = setup.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    output = call(here.command(*words, corpus_dir=""), status=2, shell=True)
    (line,) = [line for line in output.splitlines() if message in line]
    assert line.startswith("run.sh: ")
    assert not (tmp_path / "data").exists()


def test_the_best_path_is_decoded_scored_and_said_so(finished, call, conf, tmp_path):
    here = finished.elsewhere(tmp_path, copied=("exp",))
    changes = dict(inference_config=BEST_PATH, methods="skd")
    changes.update(student_asr_config=conf / "train_student_conformer.yaml")
    call(here.command(stage=12, test_sets="test_clean", **changes))
    run = here.exp / "student_conformer_skd_seed1"
    for folder in (run, here.exp / "teacher"):
        decoded = folder / "decode_ctc_greedy/test_clean"
        lines = (decoded / "text").read_text().splitlines()
        assert len(lines) == 6 and lines == sorted(lines)
        assert (decoded / "score.json").is_file()
    page = (here.exp / "RESULTS.md").read_text()
    assert "|decode_ctc_greedy_student_conformer_skd_seed1/test_clean|6|" in page
    assert "by CTC's best path" in (run / "MODEL_CARD.md").read_text()


def test_a_teacher_elsewhere_does_not_hide_one_in_expdir(finished, call, tmp_path):
    words = finished.command(stage=2, stop_stage=2, teacher_dir=tmp_path / "teacher")
    assert f"{finished.exp}/teacher holds a teacher already" in call(words, status=1)
    assert not (finished.exp / "teacher").is_symlink()


def test_trainings_and_decodings_go_to_the_cluster(finished, call, environment):
    """What is left of every launch is the command in front of it."""
    for variable, stage, changes in (
        ("train_cmd", 9, {}),
        ("train_cmd", 9, {"ngpu": 2, "num_nodes": 2}),
        ("decode_cmd", 12, {}),
    ):
        env = {**environment, variable: "echo srun --nodes=2"}
        words = finished.command(stage=stage, stop_stage=stage, **changes)
        output = call(words, env=env)
        assert "srun --nodes=2 " in output and "jobs.run --jobs" in output


def test_help_lists_options_and_stages(call, recipe):
    output = call([recipe / "run.sh", "--help"], cwd="/")
    for word in ("--stop_stage 100", "--skip_stages", "--teacher_wer_max 30"):
        assert word in output
    for stage in range(15):
        assert f"  {stage}: " in output


def test_skipped_stages_do_not_run(setup, call, tmp_path):
    here = setup.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    output = call(here.command(stop_stage=4, skip_stages="0 3 4"), shell=True)
    assert "Stage 1: " in output
    for stage in (0, 3, 4):
        assert f"Stage {stage}: " not in output
    assert sorted(os.listdir(tmp_path)) == ["data", "exp"]


def test_speed_perturbation_trebles_the_training_set(setup, call, tmp_path):
    here = setup.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    output = call(here.command(stop_stage=4, speed_perturb_factors="0.9 1.0 1.1"))
    assert "Stage 2: " in output
    lengths = (tmp_path / "data/train_clean_sp/utt2num_samples").read_text()
    assert len(lengths.splitlines()) == 3 * 24
    assert "sp0.9-" in (tmp_path / "dump/train_clean_sp/text").read_text()
    assert len((tmp_path / "dump/dev_clean/text").read_text().splitlines()) == 8


def test_a_test_set_is_copied_with_noise(setup, call, tmp_path):
    here = setup.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    call(here.command(stop_stage=2, noisy_sets="test_clean"))
    clean, noisy = (tmp_path / "data" / s for s in ("test_clean", "test_clean_noisy"))
    assert (noisy / "text").read_text() == (clean / "text").read_text()
    assert "0_10_db" in (noisy / "wav.scp").read_text()
    output = call(here.command(noisy_sets="dev_clean", test_sets="test_clean"), 1)
    assert "--noisy_sets: dev_clean is not one of --test_sets" in output


def test_a_teacher_that_is_brought_gives_its_tokens(finished, call, tmp_path):
    here = finished.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    teacher = finished.exp / "teacher"
    options = dict(teacher_asr_train_config=teacher / "config.yaml")
    options["teacher_asr_model_file"] = (
        teacher / finished.options["inference_asr_model"]
    )
    call(here.command(stop_stage=4, **options))
    ours = (tmp_path / "data/token_list/teacher/tokens.txt").read_text()
    assert ours == (finished.root / "data/token_list/char/tokens.txt").read_text()
    output = call(here.command(stage=6, stop_stage=7, **options))
    assert "Stage 6" not in output  # nothing to train
    assert "dev_clean: WER " in output and "real-time factor " in output
    assert "names no student" not in output
    defaults = dict(student_asr_config="", methods="none", **options)
    output = call(here.command(stage=7, stop_stage=7, token_type="teacher", **defaults))
    assert "| train_student   | ConformerEncoder | 4" in output
    assert "conf/train_student.yaml is taken, of the size above; the teacher" in output


def test_audio_without_transcripts_teaches_too(finished, call, tmp_path, conf):
    """8 of 24 utterances keep their transcripts; 6 further ones never had any."""
    corpus = tmp_path / "corpus"
    shutil.copytree(finished.options["corpus_dir"], corpus)
    (corpus / "test-other").rename(corpus / "found-audio")
    for path in corpus.glob("found-audio/*/*/*.trans.txt"):
        path.unlink()
    here = finished.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    options = dict(corpus_dir=corpus, test_sets="test_clean", num_labelled=8)
    options.update(unlabelled_sets="found_audio", speed_perturb_factors="0.9 1.0")
    options.update(student_asr_config=conf / "train_student_conformer.yaml")
    teacher = finished.exp / "teacher"
    options["teacher_asr_train_config"] = teacher / "config.yaml"
    options["teacher_asr_model_file"] = (
        teacher / finished.options["inference_asr_model"]
    )
    options.update(methods="none skd rkd_skd", total_epochs=2, rkd_epochs=1)
    call(here.command(stop_stage=11, skip_stages="7", **options))
    (everything,) = (tmp_path / "dump").glob("*found_audio*")
    lines = (everything / "text").read_text().splitlines()
    assert len(lines) == 2 * (24 + 6)
    assert sum(len(line.split()) == 1 for line in lines) == 2 * (24 - 8 + 6)
    labelled = tmp_path / "dump/train_clean_with8_sp/text"
    assert labelled.read_text().splitlines() == [
        line for line in lines if len(line.split()) > 1
    ]
    steps = {}
    for run in ("none", "skd", "rkd", "rkd_skd"):
        folder = here.exp / f"student_conformer_{run}_seed1"
        used = yaml.safe_load((folder / "config.yaml").read_text())
        wanted = everything if run != "none" else labelled.parent
        reads = used["train_data_path_and_name_and_type"][1][0]
        assert reads == str(wanted / "text")
        steps[run] = used["num_iters_per_epoch"]
        log = (folder / "train.log").read_text()
        epochs = [x for x in log.splitlines() if "epoch results: [train]" in x]
        assert len(epochs) == (1 if run in ("rkd", "rkd_skd") else 2)
        assert ", loss=nan" not in epochs[-1]
    assert steps.pop("none") == 60 // used["batch_size"]  # as many as the others have
    assert set(steps.values()) == {None}


def test_a_packed_student_teaches_the_next_one(finished, call, tmp_path, conf):
    """A packed model of ESPnet's own packer goes in, a distilled student comes out."""
    here = finished.elsewhere(tmp_path, fresh=("data", "dump", "exp"))
    run = "student_conformer_skd_seed1"
    options = dict(teacher=finished.exp / run / f"{run}.zip", methods="skd")
    options["student_asr_config"] = conf / "train_student_rnn.yaml"
    output = call(here.command(stop_stage=11, total_epochs=2, rkd_epochs=1, **options))
    assert "Stage 6" not in output  # nothing to train
    export = yaml.safe_load(
        (here.exp / "student_rnn_skd_seed1/export/config.yaml").read_text()
    )
    packed = yaml.safe_load((finished.exp / run / "export/config.yaml").read_text())
    assert export["token_list"] == packed["token_list"]
    assert (here.exp / "teacher/outputs/manifest.json").is_file()


def test_a_damaged_shard_is_rebuilt_by_its_stage(finished, call, tmp_path):
    here = finished.elsewhere(tmp_path, copied=["exp"])
    shard = here.exp / "teacher/outputs/shards/00000/last.ark"
    good = shard.read_bytes()
    shard.write_bytes(good[:-9])
    output = call(here.command(stage=8, stop_stage=8))
    assert f"{shard} has {len(good) - 9} bytes, expected {len(good)}" in output
    assert shard.read_bytes() == good
    assert "nothing to do" in call(here.command(stage=8, stop_stage=8))


def test_criteria_and_forms_of_stage_1_live_side_by_side(
    finished, call, tmp_path, conf
):
    """Two forms, two criteria, one teacher kept elsewhere; one criterion fails."""
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    student, teacher = "student_conformer", finished.exp / "teacher"
    shutil.copytree(finished.exp / f"stats_{student}", here.exp / f"stats_{student}")
    for name, term in (
        ("kl", "{skd: {criterion: kl, weight: 0.5}}"),
        ("rkdplain", "{rkd: {frame_weights: none}}"),
        ("broken", "{skd: {criterion: nonsense}}"),
    ):
        text = f"distill_conf: {{terms: {term}, task_weight: {int(name == 'kl')}.0}}\n"
        if name.startswith("rkd"):
            text += "best_model_criterion: [[valid, loss_rkd, min]]\n"
        (tmp_path / f"distill_{name}.yaml").write_text(text)
    options = dict(methods="kl broken rkdplain_task rkdplain_kl", conf_dir=tmp_path)
    options.update(total_epochs=4, rkd_epochs=0.3, keep_going="true")
    options.update(teacher_dir=tmp_path / "teacher", skip_stages="7 14")
    options["student_asr_config"] = conf / f"train_{student}.yaml"
    options.update(
        teacher_asr_train_config=teacher / "config.yaml", test_sets="test_clean"
    )
    options["teacher_asr_model_file"] = (
        teacher / finished.options["inference_asr_model"]
    )
    output = call(here.command(stage=4, **options))
    broken = here.exp / f"{student}_broken_seed1"
    assert f"Left out: {broken}/export.log, which waits for {broken}/train" in output
    epochs, terms = {}, {}
    for run in here.exp.glob(f"{student}_*"):
        made = yaml.safe_load((run / "train.yaml").read_text())
        name = run.name.removeprefix(f"{student}_").removesuffix("_seed1")
        epochs[name] = made["max_epoch"]
        terms[name] = made.get("distill_conf", {}).get("terms")
    # 0.3 of 4 epochs, rounded
    assert epochs == dict(kl=4, broken=4, rkdplain=1, rkdplain_task=3, rkdplain_kl=3)
    assert terms["rkdplain"] == {"rkd": {"frame_weights": "none"}}
    assert (
        terms["rkdplain_kl"] == terms["kl"] == {"skd": dict(criterion="kl", weight=0.5)}
    )
    assert terms["rkdplain_task"] is None
    with (here.exp / "scores.csv").open() as f:
        rows = [row["method"] for row in csv.DictReader(f)]
    assert rows == ["kl", "rkdplain_kl", "rkdplain_task", "teacher"]
    assert (tmp_path / "teacher/outputs/manifest.json").is_file()
    assert (here.exp / "teacher").is_symlink()


@pytest.mark.parametrize("missing", ["error", "skip", "online"])
def test_utterances_that_the_cache_lacks(finished, call, tmp_path, conf, missing):
    """The cache was made of 16 of the 24 utterances to train on, and the dev set."""
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    student, dump = "student_conformer", finished.root / "dump"
    for name in ("teacher", f"stats_{student}", "stats_teacher"):
        shutil.copytree(finished.exp / name, here.exp / name)
    few = tmp_path / "few"
    write_data_dir(few, hide_transcripts(read_data_dir(dump / "train_clean"), 16)[0])
    teacher = here.exp / "teacher"
    words = ["espnet_tutornet.bin.dump_teacher", "--data_dirs", few, dump / "dev_clean"]
    words += ["--teacher_config", teacher / "config.yaml", "--teacher_model"]
    words += [teacher / "valid.loss_ctc.ave.pth", "--out_dir", teacher / "outputs"]
    call([sys.executable, "-m", *words])
    options = dict(methods="skd", total_epochs=2, rkd_epochs=1, cache_missing=missing)
    options["student_asr_config"] = conf / f"train_{student}.yaml"
    command = here.command(stage=11, stop_stage=11, **options)
    output = call(command, status=1 if missing == "error" else 0)
    log = (here.exp / f"{student}_skd_seed1/train.log").read_text()
    if missing == "error":
        assert "8 utterances of the train set are not in" in output
    else:
        batches = {"skip": 2, "online": 3}[missing]  # of 8
        assert f"[train] Batch sampler: SortedBatchSampler(N-batch={batches}," in log


def test_two_teachers_and_inner_layers(finished, call, tmp_path, conf):
    """RKD between inner blocks from a cache, SKD from that teacher and another."""
    here = finished.elsewhere(tmp_path, fresh=["exp"])
    student = "student_conformer"
    for name in ("teacher", f"stats_{student}", "stats_teacher"):
        shutil.copytree(finished.exp / name, here.exp / name)
    rkd, skd = tmp_path / "rkd.yaml", tmp_path / "skd.yaml"
    layers = "{student_layer: encoders.0, teacher_layer: encoders.1}"
    rkd.write_text(
        f"distill_conf: {{terms: {{rkd: {layers}}}, task_weight: 0.0}}\n"
        "best_model_criterion: [[valid, loss_rkd, min]]\n"
    )
    options = dict(methods="rkd_task", rkd_config=rkd, total_epochs=2, rkd_epochs=1)
    options["student_asr_config"] = conf / f"train_{student}.yaml"
    options["teacher_layers"] = "last encoders.1"
    call(here.command(stage=8, stop_stage=9, **options))
    recorded = (here.exp / f"{student}_rkd_seed1/distill.yaml").read_text()
    assert "teacher_layer: encoders.1" in recorded
    rnn = finished.exp / "student_rnn_skd_seed1/export"
    teacher = {
        "combine": "weighted",
        "members": {
            "a": {"cache": str(here.exp / "teacher/outputs")},
            "b": {"config": f"{rnn}/config.yaml", "model": f"{rnn}/model.pth"},
        },
    }
    distill = {"teacher": teacher, "terms": {"skd": {"weight": 1.0}}}
    skd.write_text(yaml.safe_dump({"distill_conf": distill}))
    options.update(methods="skd", skd_config=skd, teacher_outputs="config")
    call(here.command(stage=11, stop_stage=11, **options))
    folder = here.exp / f"{student}_skd_seed1"
    assert yaml.safe_load((folder / "distill.yaml").read_text())["teacher"] == teacher
    assert "loss_skd=" in (folder / "train.log").read_text()
    assert (folder / "export/model.pth").is_file()


def test_students_of_the_online_teacher_are_those_of_the_cache(finished, call, conf):
    """The same steps from either; the cache of this test keeps two bytes a value."""
    root = finished.root
    here = finished.elsewhere(root / "online", fresh=["exp"])
    student = "student_conformer"
    for name in ("teacher", "stats_teacher", f"stats_{student}"):
        shutil.copytree(finished.exp / name, here.exp / name)
    losses = {}
    for source in ("online", "cache"):
        options = dict(teacher_outputs=source, methods="rkd_skd", seeds=7)
        options.update(total_epochs=2, rkd_epochs=1, hidden_form="two_byte", top_k=50)
        options["student_asr_config"] = conf / f"train_{student}.yaml"
        call(here.command(stage=8, stop_stage=10, **options))
        found = []
        for run in ("rkd", "rkd_skd"):
            log = (here.exp / f"{student}_{run}_seed7/train.log").read_text()
            lines = [x for x in log.splitlines() if "epoch results: [train]" in x]
            name = "loss_rkd=" if run == "rkd" else "loss_skd="
            found += [float(x.split(name)[1].split(",")[0]) for x in lines[-1:]]
        losses[source] = found
    assert losses["cache"] == pytest.approx(losses["online"], rel=0.05)
