# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh: where corpora lie. A corpus that is not there is made or downloaded.
MINI=downloads/mini
LIBRISPEECH=downloads/LibriSpeech
