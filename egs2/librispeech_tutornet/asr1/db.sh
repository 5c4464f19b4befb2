# shellcheck shell=bash
# Sourced by tutornet.sh: where corpora are made or downloaded, unless they are there.
export DOWNLOADS="${DOWNLOADS:-downloads}"
