#!/usr/bin/env bash
# From a corpus to distilled students. Options and stages: ./run.sh --help
#
# The corpus is made here (mini, the default), downloaded (--corpus digits,
# mini_librispeech, librispeech_100 or librispeech_960), or yours (--corpus_dir, in
# LibriSpeech's layout). For a corpus of another layout copy this directory, have
# local/data.sh write Kaldi data directories, and name its sets below:
#   exec ./tutornet.sh --train_set train --valid_set dev --test_sets "test" "$@"
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
exec ./tutornet.sh "$@"
