# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh: how the jobs of a stage are spread.
# local: --nj processes side by side on this machine (one at a time when --ngpu > 0).
cmd_backend=local
