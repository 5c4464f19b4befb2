"""Read files that may be missing, or hold something else than expected."""

from pathlib import Path
from typing import Any, Dict, Tuple, Union

import yaml
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError


def need_file(path: Union[str, Path], expected: str, hint: str) -> Path:
    """Return the path of a file that must be there.

    Args:
        path: the file.
        expected: what it is to hold, for the error message.
        hint: a sentence, what to do where it is missing.

    Raises:
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no {path}: expected {expected}. {hint}")
    return path


def read_yaml(
    path: Union[str, Path],
    expected: str = "a configuration in yaml",
    hint: str = "Write it, or name another file.",
) -> Dict[str, Any]:
    """Read a mapping.

    Args:
        path: the file.
        expected: as of :func:`need_file`.
        hint: as of :func:`need_file`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else; the message names the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "train.yaml")
        ...     _ = path.write_text("max_epoch: 3")
        ...     read_yaml(path)
        {'max_epoch': 3}
    """
    content = parse_yaml(need_file(path, expected, hint))
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: expected a yaml mapping, got {type(content).__name__}. "
            "Write key: value, a line each."
        )
    return content


def parse_yaml(path: Path) -> Any:
    """Read whatever a yaml holds.

    Raises:
        ValueError: it is none; the message names the line.
    """
    data = path.read_bytes()
    try:
        return yaml.safe_load(data.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line, reason = _explain(error, data)
        raise ValueError(
            f"{path}, line {line}: expected yaml, got an error: {reason}. Mend it."
        ) from None


def _explain(error: Exception, data: bytes) -> Tuple[int, str]:
    """Return the line of an error of yaml's or of a decoder's, and what is wrong."""
    if isinstance(error, UnicodeDecodeError):
        return data[: error.start].count(b"\n") + 1, f"{error.reason} of UTF-8"
    if isinstance(error, ReaderError):
        before = data.decode("utf-8")[: error.position]
        return before.count("\n") + 1, error.reason
    assert isinstance(error, MarkedYAMLError) and error.problem_mark, error
    return error.problem_mark.line + 1, error.problem or error.context or "unknown"
