import subprocess
import sys
from pathlib import Path

import pytest

from espnet_tutornet.bin.options import main
from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.options import RENAMED, Options

RECIPE = Path(__file__).resolve().parents[2] / "egs2/librispeech_tutornet/asr1"


def test_the_last_of_a_name_counts_and_dashes_are_lines():
    options = Options.parse("--nj 3 --stop-stage 7 --nj 5 --keep_going true".split())
    assert (options.nj, options.stop_stage, options.keep_going) == (5, 7, True)
    assert Options.parse(options.given()) == options
    assert Options.read(options.words()) == options


@pytest.mark.parametrize(
    "words, message",
    [
        ("--nj x", "--nj must be a number, 0 or more, got x"),
        ("--nj -1", "--nj must be a number, 0 or more, got -1"),
        ("--use_streaming True", "--use_streaming must be true or false, got True"),
        ("--nj 0", "--nj must be 1 or more, got 0"),
        ("--seeds 1,2", "--seeds must be whole numbers, such as .* got 1,2"),
        ("--fs", "option --fs needs a value"),
        ("fs 8000", "unexpected argument fs"),
        ("--student_config a", "unknown option --student_config"),
        ("--teacher_outputs disk", "must be cache, online or config, got disk"),
        (
            "--expdir a,b",
            "--expdir must be a path without spaces, commas and =, got 'a",
        ),
        (
            "--rkd_epochs x",
            "--rkd_epochs must be a number of epochs or a share .* got x",
        ),
        ("--stage 15", "--stage 15 is past the last stage, 14"),
        ("--skip_stages 2,3", "--skip_stages must be numbers of stages"),
        ("--teacher a.zip --teacher_asr_model_file b", "give one of them"),
        ("--teacher_asr_model_file b", "go together"),
        ("--teacher_lang eng", "--teacher_lang eng is of a teacher that is brought"),
        ("--teacher_model a.pth", "--teacher_model a.pth is of a teacher that is bro"),
        ("--token_type teacher", "--token_type teacher .*of a teacher that is brought"),
        ("--student_tokens seen", "--student_tokens seen .*of a teacher that is br"),
        ("--student_tokens some", "must be all or seen, got some"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, message):
    with pytest.raises(UsageError, match=message):
        Options.parse(words.split())


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_option_names_the_new_one(old):
    with pytest.raises(UsageError, match=f"--{old} is called --{RENAMED[old]} now"):
        Options.parse([f"--{old}", "x"])


@pytest.mark.parametrize(
    "rkd_epochs, epochs", [("4", 4), ("0.2", 4), (".3", 6), ("0.01", 1)]
)
def test_stage_1_has_epochs_or_a_share_of_them(rkd_epochs, epochs):
    assert Options(rkd_epochs=rkd_epochs).stage_1_epochs == epochs


def test_the_shell_gets_what_was_meant(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(RECIPE)
    folder = f"{tmp_path}/é'$x"
    main(["--expdir", folder, "--methods", "none rkd_skd", "--skip_stages", "3"])
    script = f'{capsys.readouterr().out}printf "%s|" "${{expdir}}" "${{stages}}"'
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True)
    assert done.stdout == f"{folder}|0 1 4 5 6 7 8 9 10 11 12 13 14|"


def test_help_needs_nothing_that_is_installed():
    """It is asked for before stage 0."""
    code = "import sys; from espnet_tutornet.bin.options import main; main(['--help']);"
    code += "print(sorted(m for m in sys.modules if m in ('yaml', 'numpy', 'torch')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--inference_nj 0" in done.stdout and done.stdout.endswith("[]\n")
