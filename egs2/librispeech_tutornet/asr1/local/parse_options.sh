# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh: "--name value" sets the variable "name" declared before.
# Unknown names, a missing value and --help are handled here.
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h)
            echo "${help_message}"
            exit 0
            ;;
        --*)
            option="${1#--}"
            option="${option//-/_}"
            if [ -z "${!option+declared}" ]; then
                echo "run.sh: unknown option $1. Try ./run.sh --help" >&2
                exit 2
            fi
            if [ $# -lt 2 ]; then
                echo "run.sh: option $1 needs a value" >&2
                exit 2
            fi
            printf -v "${option}" '%s' "$2"
            shift 2
            ;;
        *)
            echo "run.sh: unexpected argument $1. Options are --name value" >&2
            exit 2
            ;;
    esac
done
