"""Bring a published teacher: a tag of the hub, a packed archive, or a directory.

What comes from elsewhere is not trusted: archives may not reach out of their directory,
parameters are read as tensors alone (:mod:`espnet_tutornet.teacher.loading`), yaml as
plain values.
"""

import hashlib
import os
import stat
import tarfile
import urllib.parse
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

import requests
import yaml

from espnet_tutornet.utils.archives import part_path
from espnet_tutornet.utils.download import fetch
from espnet_tutornet.utils.extras import needs_extra
from espnet_tutornet.utils.files import atomic_dir, atomic_write

META = "meta.yaml"  # in a packed model: which file is what
CONFIG, MODEL = "config.yaml", "model.pth"
HUB = "https://huggingface.co/"


def bring_teacher(
    name: str, out_dir: Union[str, Path], cache_dir: Optional[Path] = None
) -> Tuple[Path, Path]:
    """Make ``out_dir`` hold the model ``name``: config.yaml and model.pth.

    Args:
        name: a directory, a packed ``.zip`` or ``.tar.*``, a URL of one, or a tag of
            the model zoo or the hub, as ``pyf98/librispeech_100_ctc_e_branchformer``.
        out_dir: directory to write; the model's own files stay where they are found.
        cache_dir: of downloads; None is that of espnet_model_zoo.

    Returns:
        Paths of the configuration, whose paths are absolute, and of the parameters.

    Raises:
        FileNotFoundError: no such file, no such tag.
        ValueError: no ASR model in it, or an archive that reaches out.
        RuntimeError: the download failed.
    """
    out_dir, source = Path(out_dir), Path(name)
    if not source.exists():
        source = download(name, cache_dir)
    if source.is_file():
        source = unpack(source, out_dir / "unpacked")
    config, model = find_files(source)
    conf = yaml.safe_load(config.read_text(encoding="utf-8"))
    with atomic_write(out_dir / CONFIG) as f:
        yaml.safe_dump(resolve_paths(conf, source.resolve()), f, sort_keys=False)
    link = out_dir / MODEL
    link.unlink(missing_ok=True)
    link.symlink_to(model.resolve())
    return out_dir / CONFIG, link


def download(name: str, cache_dir: Optional[Path] = None) -> Path:
    """Fetch a tag or a URL, or take it from the cache of earlier downloads.

    Returns:
        An archive, or the directory of a hub's snapshot.

    Raises:
        FileNotFoundError: the hub knows no such tag.
        RuntimeError: no network, or the download broke off; run again, it goes on. Or
            the extra ``hub`` is not installed.
    """
    # here and not above: pandas and the hub, for those who download alone
    with needs_extra("hub", f"downloading --teacher {name}"):
        from espnet_model_zoo.downloader import ModelDownloader, is_url
        from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    cache_dir = Path(cache_dir or Path.home() / ".cache" / "espnet_model_zoo")
    zoo = ModelDownloader(cache_dir)
    try:
        url = zoo.get_url(name)
        if is_url(url) and not url.startswith(HUB):
            return _download_url(url, cache_dir)
        return Path(zoo.huggingface_download(name.removeprefix(HUB)))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"--teacher {name}: no such file or directory, and no such model at the "
            f"hub ({_first_line(error)}). Look for its name at {HUB}models."
        ) from None
    except (OSError, ValueError, RuntimeError) as error:
        raise RuntimeError(
            f"--teacher {name}: no such file or directory, and it cannot be downloaded "
            f"({_first_line(error)}). Connect to the network and run again, or fetch "
            "the packed model elsewhere and give its path."
        ) from None


def _download_url(url: str, cache_dir: Path) -> Path:
    address = urllib.parse.urlsplit(url)
    place = cache_dir / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = place / (Path(address.path).name or "model.zip")
    if not path.is_file():
        place.mkdir(parents=True, exist_ok=True)
        head = requests.head(url, allow_redirects=True, timeout=30.0)
        head.raise_for_status()
        size = int(head.headers["Content-Length"])
        fetch(url, part_path(path), size, tries=6, pause=1.0)
        part_path(path).replace(path)
    return path


def unpack(archive: Path, out_dir: Path) -> Path:
    """Extract a packed model, unless it was before.

    Args:
        archive: ``.zip`` or ``.tar`` in any compression.
        out_dir: directory to write, as a whole or not at all.

    Raises:
        ValueError: not an archive, or an entry that leaves ``out_dir``.
    """
    stamp = f"{archive.resolve()} {archive.stat().st_size} {archive.stat().st_mtime_ns}"
    mark = out_dir / ".unpacked"
    if mark.is_file() and mark.read_text(encoding="utf-8") == stamp:
        return out_dir
    with atomic_dir(out_dir) as new:
        try:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as content:
                    _check_entries(archive, content)
                    content.extractall(new)
            else:
                with tarfile.open(archive) as content:
                    content.extractall(new, filter="data")
        except tarfile.ReadError:
            raise ValueError(
                f"{archive} is not a packed ESPnet model: expected .zip or .tar.gz as "
                "espnet2.bin.pack writes it."
            ) from None
        except (tarfile.FilterError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(
                f"{archive} is refused: {error}. If it was downloaded, remove it and "
                "run again."
            ) from None
        (new / ".unpacked").write_text(stamp, encoding="utf-8")
    return out_dir


def find_files(directory: Path) -> Tuple[Path, Path]:
    """Find configuration and parameters in an unpacked model or a training.

    Raises:
        ValueError: it is not clear which they are, or they are not there.
    """
    meta = directory / META
    if meta.is_file():
        content = yaml.safe_load(meta.read_text(encoding="utf-8"))
        try:
            config = content["yaml_files"]["asr_train_config"]
            model = content["files"]["asr_model_file"]
        except (KeyError, TypeError):
            raise ValueError(
                f"{meta} names no ASR model (asr_train_config, asr_model_file). Is it "
                "a packed model of another task?"
            ) from None
        found = (directory / config, directory / model)
        for path in found:
            if not _is_inside(path, directory) or not path.is_file():
                raise ValueError(f"{meta} names {path}, which is not in {directory}.")
        return found
    config, models = directory / CONFIG, sorted(directory.glob("*.pth"))
    models = [path for path in models if path.name != "checkpoint.pth"]
    if not config.is_file() or len(models) != 1:
        names = [path.name for path in models[:5]]
        raise ValueError(
            f"{directory} is neither a packed model (no {META}) nor config.yaml with "
            f"one .pth (found {names}). Give the two by "
            "--teacher_asr_train_config and --teacher_asr_model_file."
        )
    return config, models[0]


def resolve_paths(conf: Dict[str, Any], root: Path) -> Dict[str, Any]:
    """Make the paths of a packed configuration absolute.

    A packed model names its files by their place in the archive. Every text in the
    configuration, the token list aside, that names a file there becomes its path.

    Args:
        conf: content of config.yaml.
        root: directory of the unpacked model.
    """

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if isinstance(value, str) and value and len(value) < 1000:
            path = root / value
            if _is_inside(path, root) and path.is_file():
                return str(path)
        return value

    return {
        key: value if key == "token_list" else resolve(value)
        for key, value in conf.items()
    }


def _check_entries(archive: Path, content: zipfile.ZipFile) -> None:
    for entry in content.infolist():
        name = entry.filename
        outside = name.startswith(("/", "\\")) or ".." in Path(name).parts
        if outside or ":" in name or stat.S_ISLNK(entry.external_attr >> 16):
            raise ValueError(
                f"{archive} is refused: its entry {name!r} would leave the directory "
                "it is unpacked into. Do not use this file."
            )


def _is_inside(path: Path, root: Path) -> bool:
    # by name: the files of a hub's snapshot are links to a store beside it
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(root))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
