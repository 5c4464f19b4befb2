#!/usr/bin/env bash
# Set up an environment and run lint and all tests in it.
#   PYTHON=python3.12 bash tests/run_tests.sh [pytest arguments, default: tests]
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
version=$("${python}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=".venv-${version}"
[ -x "${venv}/bin/pip" ] || "${python}" -m venv "${venv}"
"${venv}/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[test]"

"${venv}/bin/black" --quiet --check espnet_tutornet tests benchmarks setup.py
"${venv}/bin/isort" --quiet --check espnet_tutornet tests benchmarks setup.py
"${venv}/bin/flake8" espnet_tutornet tests benchmarks setup.py
[ $# -gt 0 ] || set -- tests espnet_tutornet
OMP_NUM_THREADS=1 "${venv}/bin/python" -m pytest -q "$@"
