import pytest

from espnet_tutornet.utils.reading import need_file, read_yaml


def test_need_file_returns_the_path_of_a_file(tmp_path):
    (tmp_path / "a").touch()
    assert need_file(str(tmp_path / "a"), "an a", "Write it.") == tmp_path / "a"


@pytest.mark.parametrize("name", ["none", "."])
def test_need_file_says_what_is_missing_and_what_to_do(tmp_path, name):
    with pytest.raises(
        FileNotFoundError, match=f"no {tmp_path / name}: expected an a. Write it."
    ):
        need_file(tmp_path / name, "an a", "Write it.")


def test_read_yaml_returns_the_mapping(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# a comment\nname: é\nlr: 1.0e-3\n", encoding="utf-8")
    assert read_yaml(path) == {"name": "é", "lr": 0.001}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "a.yaml: expected a yaml mapping, got NoneType. Write key: value"),
        (b"- 1\n", "a.yaml: expected a yaml mapping, got list"),
        (b"a: 1\nb: [1\n", "a.yaml, line 3: expected yaml, got an error: .* ',' or"),
        (b"a: 1\n\tb: 2\n", "a.yaml, line 2: expected yaml, got an error: .*token"),
        (b"a: b: c\n", "a.yaml, line 1: .*mapping values are not allowed here. Mend"),
        ("é:\n\nb: é\n".encode("latin-1"), "line 1: .*: invalid .* of UTF-8. Mend it."),
        (b"a: 1\nb: \x80\n", "line 2: expected yaml, got an error: invalid start"),
        ("é: é\n\nb: \0\n".encode(), "line 3: .*: special characters are not allowed"),
    ],
)
def test_read_yaml_names_the_file_and_the_line(tmp_path, content, message):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_yaml(tmp_path / "a.yaml")


def test_read_yaml_says_what_a_missing_file_was_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="a.yaml: expected a grid. Write one."):
        read_yaml(tmp_path / "a.yaml", "a grid", "Write one.")
