"""What results were made with: versions, commit, processor."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

from espnet_tutornet.utils.extras import EXTRAS, find_missing, find_version

PACKAGES = (  # what results depend on
    "espnet_tutornet",
    "espnet",
    "torch",
    "torchaudio",
    "sentencepiece",
    "soundfile",
)


def list_versions() -> Iterator[str]:
    """Yield a line per package that results depend on, and per extra."""
    yield f"python {platform.python_version()} on {platform.machine()}"
    for name in PACKAGES:
        yield f"{name} {find_version(name)}"
    for extra in EXTRAS:
        missing = find_missing(extra)
        lacks = f"lacks {', '.join(missing)}: pip install 'espnet_tutornet[{extra}]'"
        yield f"extra {extra} {lacks if missing else 'installed'}"


def check_pair(module: str = "torchaudio") -> None:
    """Load a library that is compiled against torch, in a process of its own.

    Raises:
        RuntimeError: it does not load beside the torch that is installed.
    """
    command = [sys.executable, "-c", f"import {module}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise RuntimeError(
            f"{module} {find_version(module)} does not load beside torch "
            f"{find_version('torch')} ({last}). Install another release of it, for "
            f"example pip install '{module}=={find_version('torch').partition('+')[0]}'"
            f", or an older one: ESPnet needs {module}."
        )


def format_environment() -> str:
    """Render the software and processor of this machine as ESPnet's recipes do."""
    lines = ["## Environments", f"- date: `{time.strftime('%a %b %d %H:%M:%S %Z %Y')}`"]
    lines.append(f"- python version: `{' '.join(sys.version.split())}`")
    for title, package in (("espnet", "espnet"), ("pytorch", "torch")):
        lines.append(f"- {title} version: `{title} {find_version(package)}`")
    commit = _git("rev-parse", "HEAD")
    if commit:
        lines.append(f"- Git hash: `{commit}`")
        lines.append(f"  - Commit date: `{_git('log', '-1', '--format=%cd')}`")
    lines.append(f"- CPU: `{_cpu_model()}, {os.cpu_count()} cores`")
    return "\n".join(lines) + "\n"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
