#!/usr/bin/env bash
# shellcheck disable=SC2154  # variables that the options print
# The stages of a TutorNet recipe: teacher, RKD, SKD, rivals, decoding, scores, packed
# students. run.sh calls it with what is the corpus' own; what a method or an option means
# is decided in espnet_tutornet.experiment, for this script and for comparisons alike.
set -euo pipefail
SECONDS=0
log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"; }
die() { echo "run.sh: error: $*" >&2; exit 1; }
runs_stage() { [[ " ${stages} " == *" $1 "* ]]; }  # runs_stage N: is it asked for, and has it something to do?
stage() { "${python}" -m espnet_tutornet.bin.stage "$1" "${options[@]}"; }  # stage N: run it

cd "$(dirname "$(readlink -f "$0")")"
options=("$@")
. ./db.sh
. ./cmd.sh
. ./path.sh "$@"

installed=(env)
if ! "${python}" -c 'import espnet_tutornet' 2>/dev/null; then
    installed=(env "PYTHONPATH=../../..${PYTHONPATH:+:${PYTHONPATH}}")  # the checkout
fi
if [[ " $* " =~ \ (--help|-h)\  ]]; then
    "${installed[@]}" "${python}" -m espnet_tutornet.bin.options --help
    printf '\nStages:\n'
    exec sed -n 's/^ *log "Stage \([0-9]*: [^"]*\)".*/  \1/p' tutornet.sh
fi
# each option as a variable, and those that are derived
settings=$("${installed[@]}" "${python}" -m espnet_tutornet.bin.options "$@") || exit
chosen_python="${python}"
eval "${settings}"
python="${chosen_python}"

mkdir -p "${expdir}"
exec 9>>"${expdir}/.lock"
"${python}" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null \
    || die "another run works in ${expdir} (it holds ${expdir}/.lock). Wait for it, stop it, or give another --expdir."

log "$0 $*: stages ${stages}, teacher ${teacher_name}, students ${student_asr_config}, methods ${methods}, seeds ${seeds}"

if ! "${python}" -c 'import espnet_tutornet' 2>/dev/null; then
    runs_stage 0 || die "${python} cannot import espnet_tutornet. Run stage 0, or pip install it."
    [ -f ../../../setup.py ] || die "${python} cannot import espnet_tutornet, and no checkout is around. Activate the environment that has it, or give --python."
    choose_python
    log "Stage 0: Environment: install espnet_tutornet and ESPnet ${espnet_release} with ${python} into ${venv} (minutes, some GB)"
    "${python}" -m venv --clear "${venv}"
    "${venv}/bin/python" -m pip install --quiet "../../..[mini,report,hub]"
    python="${venv}/bin/python"
fi
if runs_stage 0; then
    log "Stage 0: Environment: versions (seconds)"
    stage 0
fi
export python
stage check

if runs_stage 1; then
    source="${corpus_dir}${kaldi_dir}${manifest}"
    log "Stage 1: Data: ${source:-${corpus}} -> ${datadir}/org (what is not there is made, a minute for mini, or downloaded first)"
    local/data.sh "${options[@]}"
    log "Stage 1: Format, sampling rate ${fs} -> ${datadir}/{${sets// /,}} (seconds; audio that changes faster than real time by 100 and more)"
    stage format
fi

if runs_stage 2; then
    log "Stage 2: Copies with other speeds and with noise -> ${datadir}/*_sp, ${datadir}/*_noisy (about 100 and 1000 x real time)"
    stage 2
fi

if runs_stage 3; then
    log "Stage 3: Length filter, ${min_wav_duration}-${max_wav_duration} s: ${datadir} -> ${dumpdir} (seconds)"
    stage 3
fi

if runs_stage 4; then
    log "Stage 4: Tokens -> ${datadir}/token_list; leave out what is too short for CTC (seconds; a teacher of the hub is downloaded first)"
    stage 4
fi

if runs_stage 5; then
    log "Stage 5: Statistics of the features -> ${expdir}/stats_* (ten seconds per configuration)"
    stage 5
fi

if runs_stage 6; then
    log "Stage 6: Teacher: train ${teacher_name} (minutes to days; see ${expdir}/${teacher_name}/train.log)"
    stage 6
fi

if runs_stage 7; then
    log "Stage 7: Teacher check: greedy WER on the dev set, at most ${teacher_wer_max} % (a minute)"
    stage 7
fi

if runs_stage 8; then
    log "Stage 8: Teacher outputs -> ${teacher_cache} (faster than real time by 100 and more; the size is printed first)"
    stage 8
fi

if runs_stage 9; then
    log "Stage 9: RKD, ${rkd_epochs} epochs: the students' hidden states learn the teacher's -> ${expdir}"
    stage 9
fi

if runs_stage 10; then
    log "Stage 10: SKD with the task loss, $((total_epochs - rkd_epochs)) epochs, started from stage 9 -> ${expdir}"
    stage 10
fi

if runs_stage 11; then
    log "Stage 11: Comparison students, ${total_epochs} epochs each in all -> ${expdir}"
    stage 11
fi

if runs_stage 12; then
    log "Stage 12: Decoding by ${inference_config} -> ${expdir}/*/decode_* (prefix search 0.1 x real time, best path 0.01 x)"
    stage 12
fi

if runs_stage 13; then
    log "Stage 13: Scoring, size, MACs and real-time factors -> ${expdir}/RESULTS.md, ${expdir}/scores.csv (a minute)"
    stage 13
fi

if runs_stage 14; then
    log "Stage 14: Model cards, and packing with espnet2.bin.pack -> ${expdir}/*/MODEL_CARD.md, ${expdir}/*/*.zip (seconds)"
    stage 14
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
