"""Every configuration of the recipe builds in ESPnet; its scripts are clean."""

import shutil
import subprocess

import pytest

from espnet_tutornet.experiment.training import Budget, make_config, write_config

pytestmark = pytest.mark.integration


def _data_options(prepared):
    options = ["--use_preprocessor", "true", "--token_type", "char"]
    options += ["--token_list", prepared.root / "data/token_list/char/tokens.txt"]
    for mode, name in (("train", "train_clean"), ("valid", "dev_clean")):
        folder = prepared.root / "dump" / name
        kind = f"--{mode}_data_path_and_name_and_type"
        options += [kind, f"{folder}/wav.scp,speech,sound"]
        options += [kind, f"{folder}/text,text,text"]
    return [str(option) for option in options]


def test_every_configuration_passes_a_dry_run(prepared, recipe, tmp_path):
    from espnet_tutornet.bin.asr_train import main as train

    budget = Budget(None, None, prepared.root / "dump/train_clean/text")
    configs = sorted((recipe / "conf/tuning").glob("train_*.yaml"))
    assert len(configs) >= 10
    for config in configs:
        made = tmp_path / config.name
        write_config(made, [config], make_config([config], 8000, budget))
        out = tmp_path / config.stem
        command = ["--config", str(made), "--output_dir", str(out)]
        command += ["--dry_run", "true", "--iterator_type", "none"]
        train([*command, *_data_options(prepared), "--ngpu", "0"])
        assert not list(out.glob("*.pth")), config


@pytest.mark.parametrize(
    "student, above",
    [
        ("train_student", "distill_rkd"),
        ("train_student", "distill_rkdoutput"),
        ("train_student", "distill_skd"),
        ("train_student", "distill_kl"),
        ("train_student", "distill_kl_drop"),
        ("train_student", "distill_kl_symmetric"),
        ("train_student", "distill_guided"),
        ("train_student", "distill_sequence"),
        ("train_student", "distill_inter"),
        ("train_student", "distill_labelfree"),
        ("train_student", "distill_skdwithrkd"),
        ("tuning/train_student_streaming", "tuning/distill_rkd_delayed"),
        ("tuning/train_student_streaming", "tuning/distill_skd_delayed"),
    ],
)
def test_distillation_laid_over_a_student_passes_a_dry_run(
    finished, recipe, tmp_path, student, above
):
    from espnet_tutornet.bin.tutornet_train import main as train

    inputs = [recipe / f"conf/{name}.yaml" for name in (student, above)]
    made = tmp_path / "train.yaml"
    budget = Budget(None, None, finished.root / "dump/train_clean/text")
    write_config(made, inputs, make_config(inputs, 8000, budget))
    command = ["--config", made, "--output_dir", tmp_path / "out", "--ngpu", "0"]
    command += ["--dry_run", "true", "--iterator_type", "none"]
    teacher = finished.exp / "teacher"
    command += ["--distill_conf", f"teacher.config={teacher}/config.yaml"]
    command += ["--distill_conf", f"teacher.model={teacher}/valid.loss_ctc.ave.pth"]
    train([*map(str, command), *_data_options(finished)])
    assert (tmp_path / "out/distill.yaml").is_file()


def test_links_of_conf_point_to_files(recipe):
    for path in (recipe / "conf").iterdir():
        assert path.exists(), path


def test_the_scripts_pass_shellcheck(recipe):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = ["run.sh", "tutornet.sh", "path.sh", "cmd.sh", "db.sh"]
    scripts += [str(p.relative_to(recipe)) for p in sorted(recipe.glob("local/*.sh"))]
    codes = [word for code in (2001, 1091, 2086) for word in ("-e", f"SC{code}")]
    done = subprocess.run(
        ["shellcheck", "-x", *codes, *scripts],
        cwd=recipe,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
