# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh and by .ci/run: the Python to make an environment with. It takes
# nothing of the recipe but, in choose_python, its die, python and given_python.
pythons="3.13 3.12 3.11"  # supported; the newest first
python_places=(           # looked at after PATH
    "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/VERSION.*/bin/python3"
    "/usr/local/bin/pythonVERSION"
    "/opt/python/VERSION*/bin/python3"
)
espnet_of() {  # espnet_of VERSION: the release of ESPnet that pip finds for it
    case "$1" in
        3.11) echo 202511 ;;
        3.12 | 3.13) echo 202611 ;;
        *) return 1 ;;
    esac
}
version_of() {  # version_of PYTHON: 3.12, or nothing where it does not run
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}
makes_venv() {  # makes_venv PYTHON: can it make an environment? Debian's cannot without python3-venv
    local probe status=0
    probe=$(mktemp -d)
    "$1" -m venv "${probe}/venv" >/dev/null 2>&1 || status=1
    rm -rf "${probe}"
    return "${status}"
}
candidates_of() {  # candidates_of VERSION: names and paths under which it may be found
    local place
    echo "python$1"
    for place in "${python_places[@]}"; do compgen -G "${place//VERSION/$1}" || true; done
    echo python3
}
find_python() {  # find_python VERSION ...: print the first that is found and can make an environment
    local version candidate candidates unfit='' found=''
    for version in "$@"; do
        mapfile -t candidates < <(candidates_of "${version}")
        for candidate in "${candidates[@]}"; do
            [ "$(version_of "${candidate}")" = "${version}" ] || continue
            candidate=$(command -v "${candidate}")
            if makes_venv "${candidate}"; then echo "${candidate}"; return; fi
            unfit+=" ${candidate} "
            found+=", ${candidate} (${version}: makes no environment)"
        done
    done
    mapfile -t candidates < <(compgen -c python3 | grep -E '^python3(\.[0-9]+)?$' | sort -u)
    for candidate in "${candidates[@]}"; do
        version=$(version_of "${candidate}")
        candidate=$(command -v "${candidate}")
        if [ -n "${version}" ] && [[ "${unfit}" != *" ${candidate} "* ]]; then found+=", ${candidate} (${version})"; fi
    done
    found="${found#, }"
    echo "no Python of $* that can make an environment; found: ${found:-none}" >&2
    return 1
}
choose_python() {  # the newest, unless --python names one; and the release of ESPnet that goes with it
    local version
    if [ -z "${given_python}" ]; then
        # shellcheck disable=SC2086
        python=$(find_python ${pythons}) || die "stage 0 makes an environment with one of these: install it (Debian: with its -venv package), or give --python."
    fi
    version=$(version_of "${python}")
    espnet_release=$(espnet_of "${version}") || die "${python} is ${version:-no working} Python, expected one of ${pythons}. Give another --python, or one that has the package."
}
