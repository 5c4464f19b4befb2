"""Options that cannot be meant are refused before the first stage, in one line."""

import re
import shutil

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def here(setup, tmp_path):
    """Return the recipe with directories of its own, all empty."""
    return setup.elsewhere(tmp_path, fresh=["data", "dump", "exp"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"stage": "abc"}, "--stage must be a number, 0 or more, got abc"),
        ({"stop_stage": "-1"}, "--stop_stage must be a number, 0 or more, got -1"),
        ({"nj": ""}, "--nj must be a number, 0 or more, got nothing"),
        ({"skip_stages": "2,3"}, "--skip_stages must be numbers of stages.*got 2,3"),
        ({"use_streaming": "True"}, "--use_streaming must be true or false, got True"),
        ({"keep_going": "yes"}, "--keep_going must be true or false, got yes"),
        ({"expdir": "my exp"}, "--expdir must be a path without spaces.*'my exp'"),
        ({"datadir": "a,b"}, "--datadir must be a path without spaces.*'a,b'"),
        ({"dumpdir": "a=b"}, "--dumpdir must be a path without spaces.*'a=b'"),
        ({"mask_padding": "on"}, "--mask_padding must be teacher, all or none, got on"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(here, call, options, message):
    output = call(here.command(**options), status=2, shell=True)
    assert re.search(f"run.sh: error: {message}", output)
    assert "Stage " not in output and "line " not in output


@pytest.mark.parametrize("stage, maker", [(2, 1), (4, 1), (9, 1)])
def test_what_has_to_run_first_is_said(here, call, stage, maker):
    output = call(here.command(stage=stage), status=2, shell=True)
    assert f"error: --stage {stage}: " in output
    assert f"which stage {maker} makes. Start with --stage {maker}." in output


def test_after_the_data_it_is_the_teacher_that_is_missing(prepared, call, tmp_path):
    here = prepared.elsewhere(tmp_path, fresh=["exp"])
    output = call(here.command(stage=9), status=2, shell=True)
    assert "valid.loss_ctc.ave.pth is not there, which stage 6 makes" in output


def test_the_recipe_runs_through_a_symbolic_link(here, call, recipe, tmp_path):
    link = tmp_path / "link.sh"
    link.symlink_to(recipe / "run.sh")
    command = [link, *here.command(stop_stage=0)[1:]]
    assert "Successfully finished" in call(command)


def test_a_python_that_is_not_there_is_named(here, call):
    output = call(here.command(python="/nowhere/python"), status=1, shell=True)
    assert "run.sh: error: no /nowhere/python: install Python 3.11" in output


def test_accents_are_no_hindrance(prepared, call, conf, tmp_path):
    """In directories and names of configurations, in a shell without a locale."""
    options = {}
    for source, name in (("student_rnn", "étudiant"), ("teacher", "maître")):
        copied = shutil.copy(
            conf / f"train_{source}.yaml", tmp_path / f"train_{name}.yaml"
        )
        options[f"{source.split('_')[0]}_asr_config"] = copied
    here = prepared.elsewhere(tmp_path / "été", fresh=["exp"])
    command = here.command(stage=5, stop_stage=6, teacher_epochs=1, **options)
    assert "Successfully finished" in call(command, shell=True)
    for name in ("étudiant", "maître"):
        assert (here.exp / f"stats_{name}/train/feats_stats.npz").is_file()
    assert (here.exp / "maître/valid.loss_ctc.ave.pth").exists()
