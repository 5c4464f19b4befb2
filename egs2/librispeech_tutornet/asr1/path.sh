# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by tutornet.sh with its options: one locale for all sorting, and the Python that
# has the package.
export LC_ALL=C
export PYTHONUTF8=1
# ESPnet starts its own worker processes: one BLAS thread each unless told otherwise.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Idle threads sleep: spinning ones slow every process of a busy machine.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

venv=tools/venv
given_python=
while [ $# -gt 1 ]; do
    [ "$1" != --python ] || given_python="$2"
    shift
done
if [ -n "${given_python}" ]; then
    python="${given_python}"
elif [ -x "${venv}/bin/python" ]; then
    python="${venv}/bin/python"
else
    python=python3
fi
command -v "${python}" >/dev/null || die "no ${python}: install Python 3.11, 3.12 or 3.13, or give --python."
. local/find_python.sh
