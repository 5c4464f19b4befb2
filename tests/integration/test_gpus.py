"""Trainings on GPUs, as far as a machine without any can tell."""

import pytest

pytestmark = pytest.mark.integration

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
ELSEWHERE = {**NO_GPU, "train_cmd": "echo srun"}


@pytest.fixture
def run(setup, call, environment, tmp_path):
    """Return run(variables, status, options): what run.sh prints, in a new expdir."""
    here = setup.elsewhere(tmp_path, fresh=["exp"])

    def run_sh(variables, status=0, **options):
        env = {**environment, **variables}
        return call(here.command(**options), status=status, env=env)

    return run_sh


@pytest.mark.parametrize(
    "variables, options, stages",
    [
        (NO_GPU, {}, "6 8 9 10 11"),
        (NO_GPU, {"teacher_outputs": "online", "skip_stages": "6"}, "9 10 11"),
        (NO_GPU, {"stage": 8, "stop_stage": 8}, "8"),
        (ELSEWHERE, {}, "8"),
    ],
)
def test_gpus_that_are_not_there_are_missed_before_stage_1(
    run, variables, options, stages
):
    output = run(variables, status=2, ngpu=2, **options)
    assert "run.sh: error: --ngpu 2: PyTorch finds 0 GPUs on this machine" in output
    assert f"expected at least 2 (stages: {stages}). Use --ngpu 0" in output
    assert "Stage 1: " not in output and "Traceback" not in output


def test_gpus_are_not_missed_where_nothing_that_is_asked_for_trains(run):
    output = run(NO_GPU, ngpu=2, stop_stage=0)
    assert "GPUs" not in output and "Successfully finished" in output


def test_trainings_with_a_gpu_alone_load_espnet_by_themselves(prepared, run):
    for ngpu in (0, 1):
        output = run(ELSEWHERE, ngpu=ngpu, stage=5, stop_stage=6, skip_stages=7)
        launches = [x for x in output.splitlines() if x.startswith("srun ")]
        flags = [" --gpu" in launch for launch in launches]
        # the statistics are taken on the CPU; where srun sends it is not looked at
        assert flags == [False, ngpu == 1], output
