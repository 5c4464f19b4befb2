import pytest
import yaml

from espnet_tutornet.compare.grid import read_grid

STUDY = {"name": "a", "students": ["s.yaml"], "methods": ["none"], "seeds": [1, 2]}


def read(tmp_path, grid, **given):
    path = tmp_path / "grid.yaml"
    path.write_text(grid if isinstance(grid, str) else yaml.safe_dump(grid))
    return read_grid(path, given)


def test_axes_are_multiplied_and_the_command_line_overrides(tmp_path):
    study = {**STUDY, "options": {"total_epochs": 3, "test_sets": ["x", "y"]}}
    axes = {"num_labelled": [400, None], "valid_set": ["dev"]}
    grid = {"options": {"total_epochs": 9}, "studies": [{**study, "axes": axes}, STUDY]}
    grid["studies"][1] = {**STUDY, "name": "b"}
    settings = read(tmp_path, grid)
    assert [setting.name for setting in settings] == [
        "a+num_labelled_400+valid_set_dev",
        "a+num_labelled_default+valid_set_dev",
        "b",
    ]
    few, everything, other = settings
    assert few.options == {
        "total_epochs": "3",
        "test_sets": "x y",
        "num_labelled": "400",
        "valid_set": "dev",
    }
    assert everything.options["num_labelled"] == ""
    assert other.options == {"total_epochs": "9"}
    assert (few.study, few.axes["valid_set"]) == ("a", "dev")
    assert few.search_seeds == (1,)
    given = read(tmp_path, grid, total_epochs="7")
    assert [setting.options["total_epochs"] for setting in given] == ["7"] * 3


def test_files_on_an_axis_go_by_their_names(tmp_path):
    axes = {"num_labelled": ["a/x.yaml", "b/y.yaml c/z.yaml"]}
    settings = read(tmp_path, {"studies": [{**STUDY, "axes": axes}]})
    assert [s.name for s in settings] == ["a+num_labelled_x", "a+num_labelled_y+z"]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"student": ["a"]},
            "study 1: unknown key 'student', expected one of name, st",
        ),
        ({"options": {"epochs": 1}}, "run.sh has no option 'epochs', it has asr_args"),
        ({"axes": {"epochs": [1]}}, "study 1: axes: run.sh has no option 'epochs'"),
        ({"axes": {"seeds": [1]}}, "seeds is not for a grid. Use the key seeds of a"),
        ({"options": {"train_args": ""}}, "train_args is called asr_args now"),
        ({"axes": {"python": ["x"]}}, "python is not for a grid. Use nothing: jobs"),
        ({"options": {"nj": 4}}, "nj is not for a grid. Use --nj on the command line"),
        ({"options": ["a"]}, "expected options of run.sh, got"),
        ({"seeds": []}, r"seeds must be a list of one or more, got \[\]"),
        ({"seeds": ["x"]}, "seeds must be a list of whole numbers, got"),
        ({"methods": "none"}, "methods must be a list of one or more, got 'none'"),
        ({"axes": {"total_epochs": 5}}, "total_epochs must be a list of one or more"),
        ({"learning_rates": [0.1]}, "chosen by the WER on the dev set.*Write both"),
        ({"axes": {"total_epochs": [5, 5]}}, r"a\+total_epochs_5 comes 2 times"),
        ({"name": "a,b"}, "name is that of a directory, expected letters.*got 'a,b'"),
    ],
)
def test_a_wrong_study_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, {"studies": [{**STUDY, **change}]})


@pytest.mark.parametrize(
    "grid, message",
    [
        (
            {"study": []},
            r"grid\.yaml: unknown key 'study', expected one of options, st",
        ),
        ({"options": {}}, "needs the key 'studies', got options"),
        ({"studies": [{"name": "a"}]}, "study 1: needs the key 'students', got name"),
        ({"studies": [STUDY, STUDY]}, "a comes 2 times. Give every study a name"),
        ({"studies": ["a"]}, "study 1: expected keys name, students"),
        ("studies: [", "grid.yaml, line 1: expected yaml, got an error"),
    ],
)
def test_a_wrong_grid_is_refused(tmp_path, grid, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, grid)


def test_a_wrong_option_of_the_command_line_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--options: run.sh has no option 'epochs'"):
        read(tmp_path, {"studies": [STUDY]}, epochs="1")
