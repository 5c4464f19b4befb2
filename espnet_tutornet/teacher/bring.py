"""Bring a published teacher: a tag of the hub, a packed archive, or a directory.

What comes from elsewhere is not trusted: archives may not reach out of their directory,
parameters are read as tensors alone (:mod:`espnet_tutornet.teacher.safe_load`), yaml as
plain values.
"""

import hashlib
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional, Tuple, Union

import requests
import yaml

from espnet_tutornet.teacher.huggingface import BINARY, SAFE, take_over
from espnet_tutornet.utils.archives import part_path
from espnet_tutornet.utils.download import fetch
from espnet_tutornet.utils.espnet_task import ADDED, check_teaches, find_prompt
from espnet_tutornet.utils.extras import needs_extra
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.packed import unpack
from espnet_tutornet.utils.reading import read_yaml
from espnet_tutornet.utils.trained import (
    CONFIG,
    META,
    PAIR,
    find_files,
    resolve_paths,
)

MODEL = "model.pth"
HUB = "https://huggingface.co/"
TRANSFORMERS = "hf:"  # how the name of a model of Hugging Face's transformers begins


def bring_teacher(
    name: str,
    out_dir: Union[str, Path],
    cache_dir: Optional[Path] = None,
    checkpoint: str = "",
    added: Optional[Mapping[str, Any]] = None,
) -> Tuple[Path, Path]:
    """Make ``out_dir`` hold the model ``name``: config.yaml and model.pth.

    Args:
        name: a directory, a packed ``.zip`` or ``.tar.*``, a URL of one, or a tag of
            the model zoo or the hub, as ``pyf98/librispeech_100_ctc_e_branchformer``;
            ``hf:`` and a tag or a directory for a model of transformers.
        out_dir: directory to write; the model's own files stay where they are found.
        cache_dir: of downloads; None is that of espnet_model_zoo.
        checkpoint: which .pth of a training; empty: the one that ESPnet would decode.
        added: ``fs``, ``lang`` and ``task``, where its configuration does not tell.

    Returns:
        Paths of the configuration, whose paths are absolute, and of the parameters.

    Raises:
        FileNotFoundError: no such file, no such tag.
        ValueError: no model that can teach is in it, or an archive that reaches out.
        RuntimeError: the download failed.
    """
    out_dir, source = Path(out_dir), Path(name)
    if name.startswith(TRANSFORMERS):
        given = {"model": checkpoint, **(added or {})}
        return _bring_snapshot(name, out_dir, cache_dir, given)
    if not source.exists():
        source = download(name, cache_dir)
    if source.is_file():
        source = unpack(source, out_dir / "unpacked")
    config, model = find_files(source, checkpoint)
    root = source.resolve() if (source / META).is_file() else None
    return bring_files(config, model, out_dir, root, added)


def _bring_snapshot(
    name: str, out_dir: Path, cache_dir: Optional[Path], given: Mapping[str, Any]
) -> Tuple[Path, Path]:
    """Bring a model of transformers, which hears audio alone."""
    wrong = [f"--teacher_{key}" for key in given if given[key] and key != "fs"]
    if wrong:
        raise ValueError(
            f"{' and '.join(wrong)}: expected of a model of ESPnet's alone, got "
            f"--teacher {name}. Remove what is not for it."
        )
    source = Path(name.removeprefix(TRANSFORMERS))
    if not source.is_dir():
        source = download(name, cache_dir)
    return take_over(source, out_dir, given.get("fs"))


def bring_files(
    config: Path,
    model: Path,
    out_dir: Path,
    root: Optional[Path] = None,
    added: Optional[Mapping[str, Any]] = None,
) -> Tuple[Path, Path]:
    """Make ``out_dir`` hold a model of two files: config.yaml and model.pth.

    Args:
        config: ESPnet's configuration of a trained model.
        model: its parameters.
        out_dir: directory to write.
        root: of a packed model, where all its files are; None: they are looked for
            from the configuration's directory upwards.
        added: see :func:`bring_teacher`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the model cannot teach, or ``added`` does not suit it.
    """
    if Path(config).resolve() == (Path(out_dir) / CONFIG).resolve():
        raise ValueError(
            f"{config} is where the teacher is to be brought, expected another place: "
            "a training stays as it is. Give another --expdir or --teacher_dir."
        )
    conf = read_yaml(config, "a teacher's config.yaml", f"Give the two by {PAIR}.")
    conf = resolve_paths(conf, [root] if root else _parents(config))
    block = {key: value for key, value in (added or {}).items() if value}
    if block:
        conf[ADDED] = block
    try:
        task = check_teaches(conf)
        if task == "s2t_ctc":
            find_prompt(conf)
        elif {"lang", "task"} & set(block):
            raise ValueError(
                f"it is a model of ESPnet's task {task}, which hears audio alone; "
                "--teacher_lang and --teacher_task are for OWSM-CTC. Remove them."
            )
    except ValueError as error:
        raise ValueError(f"{config}: {error}") from None
    with atomic_write(Path(out_dir) / CONFIG) as f:
        yaml.safe_dump(conf, f, sort_keys=False)
    link, target = Path(out_dir) / MODEL, Path(model).resolve()
    if not link.is_symlink() or link.resolve() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return Path(out_dir) / CONFIG, link


def download(name: str, cache_dir: Optional[Path] = None) -> Path:
    """Fetch a tag or a URL, or take it from the cache of earlier downloads.

    Returns:
        An archive, or the directory of a hub's snapshot.

    Raises:
        FileNotFoundError: the hub knows no such tag.
        RuntimeError: no network, a model that wants a login, or the download broke
            off; run again, it goes on. Or the extra ``hub`` is not installed.
    """
    cache_dir = Path(cache_dir or Path.home() / ".cache" / "espnet_model_zoo")
    try:
        if name.startswith(TRANSFORMERS):
            tag = name.removeprefix(TRANSFORMERS).removeprefix(HUB).strip("/")
            return _download_snapshot(tag, cache_dir)
        if _is_file_address(name):
            return _download_url(name, cache_dir)
        return _download_tag(name.removeprefix(HUB).strip("/"), cache_dir)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and str(error).startswith("--teacher"):
            raise
        raise RuntimeError(
            f"--teacher {name}: no such file or directory, and it cannot be downloaded "
            f"({_first_line(error)}). Connect to the network and run again, or fetch "
            "the packed model elsewhere and give its path."
        ) from None


def _is_file_address(name: str) -> bool:
    """Tell whether a name is the address of a file, and not of a model of the hub."""
    return "://" in name and (not name.startswith(HUB) or "/resolve/" in name)


def _download_tag(tag: str, cache_dir: Path) -> Path:
    # here and not above: pandas and the hub, for tags alone
    with needs_extra("hub", f"downloading --teacher {tag}"):
        from espnet_model_zoo.downloader import ModelDownloader, is_url

    zoo = ModelDownloader(cache_dir)
    with _hub_explained(tag):
        url = zoo.get_url(tag)
        if is_url(url):
            return _download_url(url, cache_dir)
        return Path(zoo.huggingface_download(tag))


def _download_snapshot(tag: str, cache_dir: Path) -> Path:
    """Fetch the files that are read of a model of transformers, and no other."""
    with needs_extra("hub", f"downloading --teacher {TRANSFORMERS}{tag}"):
        from huggingface_hub import snapshot_download

    with _hub_explained(tag):
        for weights in (SAFE, BINARY):  # the latter where the former is not there
            patterns = ["*.json", "*.txt", *weights]
            found = Path(
                snapshot_download(tag, cache_dir=cache_dir, allow_patterns=patterns)
            )
            if any(path for pattern in weights for path in found.glob(pattern)):
                break
    return found


@contextmanager
def _hub_explained(tag: str) -> Iterator[None]:
    """Say what to do where the hub does not give a model."""
    with needs_extra("hub", f"downloading --teacher {tag}"):
        from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise RuntimeError(
            f"--teacher {tag}: the hub gives this model to those alone who asked for "
            f"it ({_first_line(error)}). Accept its terms at {HUB}{tag}, log in by "
            "`hf auth login`, and run again."
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise FileNotFoundError(
            f"--teacher {tag}: no such file or directory, and no such model at the "
            f"hub ({_first_line(error)}). Look for its name at {HUB}models; a private "
            "one wants a login by `hf auth login`."
        ) from None


def _download_url(url: str, cache_dir: Path) -> Path:
    address = urllib.parse.urlsplit(url)
    place = cache_dir / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = place / (Path(address.path).name or "model.zip")
    if not path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        head = requests.head(url, allow_redirects=True, timeout=30.0)
        head.raise_for_status()
        size = int(head.headers.get("Content-Length", 0)) or None
        fetch(url, part_path(path), size, tries=6, pause=1.0)
        part_path(path).replace(path)
    return path


def _parents(config: Path) -> List[Path]:
    return list(config.resolve().parents)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
