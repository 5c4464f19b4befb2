import pytest
import yaml
from espnet2.tasks.asr import ASRTask

from espnet_tutornet.experiment.training import (
    NBEST,
    Budget,
    count_steps,
    fill_frontend,
    make_config,
    merge,
    write_config,
)

STUDENT = """
encoder_conf: {output_size: 8, dropout: 0.1}
batch_type: sorted
batch_size: 4
max_epoch: 20
scheduler_conf: {max_steps: auto, warmup_ratio: 0.1}
best_model_criterion: [[valid, cer_ctc, min], [valid, loss, min]]
"""
ABOVE = """
encoder_conf: {dropout: 0.0}
best_model_criterion: [[valid, loss_rkd, min]]
distill_conf: {task_weight: 0.0}
"""


@pytest.fixture
def make(tmp_path):
    (tmp_path / "student.yaml").write_text(STUDENT)
    (tmp_path / "above.yaml").write_text(ABOVE)
    (tmp_path / "text").write_text("u A\n" * 19)

    def run(*names, max_epoch=None, total_epochs=None, **budget):
        inputs = [tmp_path / f"{name}.yaml" for name in names]
        given = Budget(max_epoch, total_epochs, tmp_path / "text", **budget)
        write_config(tmp_path / "out.yaml", inputs, make_config(inputs, 8000, given))
        return yaml.safe_load((tmp_path / "out.yaml").read_text())

    return run


def test_the_last_file_lies_on_top_and_steps_are_filled_in(make, tmp_path):
    assert make("student", "above", max_epoch=3) == {
        "encoder_conf": {"output_size": 8, "dropout": 0.0},
        "batch_type": "sorted",
        "batch_size": 4,
        "max_epoch": 3,
        "scheduler_conf": {"max_steps": 12, "warmup_ratio": 0.1},  # 3 x (19 // 4)
        "best_model_criterion": [["valid", "loss_rkd", "min"]],
        "distill_conf": {"task_weight": 0.0},
    }
    head = (tmp_path / "out.yaml").read_text().splitlines()[0]
    assert head == f"# {tmp_path}/student.yaml + {tmp_path}/above.yaml"


def test_the_epochs_of_the_file_hold_without_the_option(make):
    assert make("student")["scheduler_conf"]["max_steps"] == 80


@pytest.mark.parametrize(
    "line, total_epochs, expected",
    [
        ("keep_nbest_models: 5", 20, 5),
        ("keep_nbest_models: 5", 19, 4),
        ("keep_nbest_models: 5", 3, 1),
        ("keep_nbest_models: 1", 20, 1),
        ("keep_nbest_models: [1, 3, 10, 5]", 16, [1, 3, 4]),
        ("", 40, [10]),  # ESPnet's own
        ("", 8, [2]),
    ],
)
def test_few_epochs_are_averaged_of_few(make, tmp_path, line, total_epochs, expected):
    (tmp_path / "above.yaml").write_text(f"max_epoch: 2\n{line}\n")
    made = make("student", "above", total_epochs=total_epochs)
    assert made["keep_nbest_models"] == expected and made["max_epoch"] == 2


def test_espnets_own_keep_nbest_models():
    assert ASRTask.get_default_config()["keep_nbest_models"] == NBEST


def test_the_sampling_rate_and_durations_are_filled_in(make, tmp_path):
    (tmp_path / "above.yaml").write_text(
        "frontend_conf: {fs: auto, n_fft: 32ms, hop_length: 10ms, n_mels: 40}\n"
    )
    made = make("student", "above")["frontend_conf"]
    assert made == {"fs": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 40}


def test_numbers_of_the_frontend_stay():
    conf = {"fs": 16000, "n_fft": 512, "window": "hann"}
    assert fill_frontend(conf, 8000) == conf
    assert fill_frontend({"fs": "16k"}, 8000) == {"fs": "16k"}


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="hop_length: 10ms is 110.25 samples at 11025"):
        fill_frontend({"hop_length": "10ms"}, 11025)


def test_merge_leaves_its_arguments_alone():
    below, above = {"a": {"b": 1}}, {"a": {"c": 2}, "d": None}
    assert merge(below, above) == {"a": {"b": 1, "c": 2}, "d": None}
    assert (below, above) == ({"a": {"b": 1}}, {"a": {"c": 2}, "d": None})


@pytest.mark.parametrize(
    "conf, num_utts, steps",
    [
        (dict(batch_size=4), 11, 2 * 2),
        (dict(batch_size=4), 3, 2 * 1),
        (dict(batch_size=4, accum_grad=2), 20, 2 * 2),
        (dict(batch_size=4, num_iters_per_epoch=7), 20, 2 * 7),
        (dict(batch_type="numel", num_iters_per_epoch=9), 20, 2 * 9),
    ],
)
def test_steps_are_counted_as_espnet_runs_them(conf, num_utts, steps):
    conf = {"max_epoch": 2, "batch_type": "unsorted", **conf}
    by = conf.get("accum_grad", 1)
    assert count_steps(conf, num_utts, by=by) == steps


def test_schedules_count_batches_and_not_optimizer_steps(make, tmp_path):
    (tmp_path / "above.yaml").write_text("""
accum_grad: 2
distill_conf:
  terms:
    skd: {schedule: {kind: linear, steps: auto}}
    rkd: {schedule: {kind: step, at: 0.1}}
    rkd_b: {schedule: {steps: 7}}
    decoder:
""")
    made = make("student", "above")
    assert made["scheduler_conf"]["max_steps"] == 20 * 2  # 19 // 4 // 2
    assert made["distill_conf"]["terms"] == {
        "skd": {"schedule": {"kind": "linear", "steps": 80}},
        "rkd": {"schedule": {"kind": "step", "at": 0.1, "steps": 80}},
        "rkd_b": {"schedule": {"steps": 7}},
        "decoder": None,
    }


def test_a_schedule_that_cannot_be_counted_names_its_term(make, tmp_path):
    (tmp_path / "above.yaml").write_text(
        "{batch_type: numel, scheduler_conf: {max_steps: 9}, distill_conf: "
        "{terms: {skd: {schedule: {kind: linear}}}}}"
    )
    message = "terms: skd: schedule: steps: auto needs batch_type sorted"
    with pytest.raises(ValueError, match=message):
        make("student", "above")


def test_batches_agree_with_espnets_sampler(tmp_path):
    from espnet2.samplers.sorted_batch_sampler import SortedBatchSampler

    shape = tmp_path / "shape"
    for num_utts in (3, 4, 11, 12):
        shape.write_text("".join(f"u{i} {i + 1}\n" for i in range(num_utts)))
        batches = len(SortedBatchSampler(batch_size=4, shape_file=str(shape)))
        conf = dict(max_epoch=1, batch_type="sorted", batch_size=4)
        assert count_steps(conf, num_utts) == batches


@pytest.mark.parametrize(
    "conf, message",
    [
        (
            dict(batch_type="numel", batch_size=4, max_epoch=1),
            "batch_size, got numel and 4",
        ),
        (dict(batch_size=4, max_epoch=1), "got folded"),
        (dict(batch_type="sorted", batch_size=4), "auto needs max_epoch"),
        (dict(batch_type="sorted", max_epoch=1), "got sorted and None"),
    ],
)
def test_steps_that_cannot_be_counted_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        count_steps(conf, 8)


def test_an_epoch_can_last_as_long_as_that_of_another_set(make, tmp_path):
    (tmp_path / "all").write_text("u A\n" * 41)
    made = make("student", epoch_text=tmp_path / "all")
    assert made["num_iters_per_epoch"] == 10  # 41 // 4
    assert made["scheduler_conf"]["max_steps"] == 20 * 10
    (tmp_path / "above.yaml").write_text("{batch_type: numel, num_iters_per_epoch: 3}")
    made = make("student", "above", epoch_text=tmp_path / "all")
    assert made["num_iters_per_epoch"] == 3


def test_an_epoch_that_cannot_be_counted_is_refused(make, tmp_path):
    (tmp_path / "above.yaml").write_text("batch_type: numel")
    message = f"the epochs of {tmp_path}/text needs batch_type .*num_iters_per_epoch"
    with pytest.raises(ValueError, match=message):
        make("student", "above", epoch_text=tmp_path / "text")


def test_a_file_that_is_no_mapping_is_refused(make, tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match="list.yaml: expected a yaml mapping, got lis"):
        make("student", "list")
    with pytest.raises(FileNotFoundError, match="none.yaml: expected a configuration"):
        make("student", "none")


def test_arguments_of_a_training_are_counted_with(make, tmp_path):
    """They were not: the rate was at its floor long before the end."""
    (tmp_path / "above.yaml").write_text(
        "distill_conf: {terms: {skd: {schedule: {steps: auto}}}}"
    )
    words = "--batch_size 2 --max_epoch 5 --accum_grad 3 --optim_conf lr=0.1".split()
    made = make("student", "above", arguments=words)
    assert made["scheduler_conf"]["max_steps"] == 5 * 3  # 19 // 2 // 3
    assert made["distill_conf"]["terms"]["skd"]["schedule"]["steps"] == 5 * 9
    assert (made["batch_size"], made["max_epoch"]) == (4, 20)  # ESPnet lays them over
    with pytest.raises(ValueError, match="8 utterances .* 3 processes"):
        make("student", arguments=["--batch_size=8"], processes=3)


@pytest.mark.parametrize("processes, batch_type", [(2, "sorted"), (3, "numel")])
def test_processes_that_share_a_batch_evenly_pass(
    make, tmp_path, processes, batch_type
):
    (tmp_path / "type.yaml").write_text(
        f"batch_type: {batch_type}\nscheduler_conf: {{max_steps: 9}}"
    )
    assert make("student", "type", processes=processes)["batch_size"] == 4


def test_a_batch_that_cannot_be_shared_evenly_is_refused(make):
    message = "batch_size: 4 utterances cannot be shared evenly by 3 processes"
    with pytest.raises(ValueError, match=message):
        make("student", processes=3)
