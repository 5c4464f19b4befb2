# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh: one locale for all sorting, and the Python that has the package.
export LC_ALL=C
export PYTHONUTF8=1
# ESPnet starts its own worker processes: one BLAS thread each unless told otherwise.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Idle threads sleep: spinning ones slow every process of a busy machine.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

venv=tools/venv
given_python="${python}"
if [ -z "${python}" ]; then
    if [ -x "${venv}/bin/python" ]; then
        python="${venv}/bin/python"
    else
        python=python3
    fi
fi
. local/find_python.sh
