"""What results were made with: versions, commit, processor."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from espnet_tutornet.utils.extras import find_version


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
