"""Libraries that only parts of the package need, and which extra brings each.

setup.py names what pip installs for an extra; ``EXTRAS`` names the modules of it that
are imported here. A test holds both to what the package imports.
"""

from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from typing import Iterator, List

EXTRAS = {
    "report": ("jinja2", "matplotlib"),
    "hub": ("espnet_model_zoo", "huggingface_hub"),
    "hf": ("transformers", "safetensors"),
    "cluster": ("dask_jobqueue",),
    "mini": ("hibari",),
    "espnet3": ("lightning", "jiwer"),
}


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a failed import into an error that says what to install.

    Args:
        extra: one of ``EXTRAS``.
        what: what needs it, as the subject of "needs".

    Raises:
        RuntimeError: a module that is imported inside is not installed.

    Example:
        >>> try:
        ...     with needs_extra("mini", "the mini corpus"):
        ...         import no_such_voice
        ... except RuntimeError as error:
        ...     print(str(error).partition(". ")[2])
        Install it: pip install 'espnet_tutornet[mini]'
    """
    assert extra in EXTRAS, extra
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("espnet_tutornet"):
            raise  # a defect of ours, which no installation mends
        raise RuntimeError(
            f"{error.name} is not installed, which {what} needs. Install it: "
            f"pip install 'espnet_tutornet[{extra}]'"
        ) from None


def find_missing(extra: str) -> List[str]:
    """Name the modules of an extra that are not installed; imports none of them."""
    return [module for module in EXTRAS[extra] if find_spec(module) is None]


def find_version(distribution: str) -> str:
    """Return the version of what pip installed, or ``not installed``.

    Example:
        >>> find_version("no-such-library")
        'not installed'
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
