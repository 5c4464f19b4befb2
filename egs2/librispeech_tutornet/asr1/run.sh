#!/usr/bin/env bash
# TutorNet recipe: teacher, RKD, SKD, baselines, decoding, scores, a packed student.
set -euo pipefail

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"; }
die() { echo "run.sh: error: $*" >&2; exit 1; }
SECONDS=0

# General
stage=0             # First stage to run.
stop_stage=100      # Last stage to run.
skip_stages=        # Stages to skip, for example "2 13".
python=             # Python to use; empty: tools/venv, which stage 0 makes unless python3 has the package.
nj=2                # Processes side by side (CPU).
ngpu=0              # GPUs a training, of each machine; 0 is CPU.
num_nodes=1         # Machines a training, under slurm: see cmd.sh.
datadir=data        # Kaldi-style data directories.
dumpdir=dump        # The same after filtering.
expdir=exp          # Models, decodings, scores.
# Data
corpus=mini         # mini, mini_librispeech, librispeech_100 or librispeech_960.
corpus_dir=         # A corpus in LibriSpeech layout; overrides corpus.
train_set=          # Split names with _ for -; empty: those of the corpus.
valid_set=
test_sets=
unlabelled_sets=    # Splits whose audio alone is used: RKD and SKD need no transcripts.
num_labelled=       # Use the transcripts of so many utterances of train_set; empty: all.
fs=auto             # Sampling rate in Hz; auto: that of the corpus, all files alike.
noisy_sets=         # Of test_sets: decode a copy with noise, too, as SET_noisy,
noise_db="0 10"     # at signal-to-noise ratios drawn from this range.
speed_perturb_factors=   # For example "0.9 1.0 1.1"; empty: none.
text_case=          # Write all transcripts in upper or lower case; empty: as they are.
cleaner=            # ESPnet's for them: tacotron, jaconv, vietnamese, korean_cleaner, whisper_en, whisper_basic.
min_wav_duration=0.1     # Seconds.
max_wav_duration=20
# Tokens
token_type=char     # char, bpe, unigram, or teacher: those of one that is brought.
nbpe=500            # Vocabulary size of bpe and unigram.
unk_max=            # Stop when more tokens of the train or dev set are <unk> (percent); empty: 1.
# Teacher
teacher_train_config=  # Train this one (empty: that of the corpus),
teacher=            # or bring one: a tag of the hub, a packed .zip, a directory,
teacher_config=     # or ESPnet's config.yaml
teacher_model=      # and .pth.
teacher_epochs=25   # Of a teacher trained here.
teacher_wer_max=30  # Stop when its greedy WER on valid_set is above (percent).
teacher_dir=        # Where the teacher lives, for several expdirs; empty: in expdir.
teacher_cache=      # Where its outputs are kept; empty: outputs in its directory.
teacher_outputs=cache   # cache: computed once for all students; online; or config:
                    # rkd_config and skd_config have a block teacher of their own.
cache_missing=error # Utterances that the cache lacks: error, skip, or online.
teacher_layers=last # Encoder layers to keep, those that rkd_config names.
hidden_form=pq32    # two_byte, one_byte, or pq and its bytes a frame.
top_k=8             # CTC posteriors to keep a frame.
mask_padding=       # Networks that read no padded frame: teacher (also empty), all: students in
                    # training, too, or none. ESPnet 202611 masks most networks itself.
# Students
student_configs=    # One or more; empty: that of the corpus.
methods="none skd kl rkd_task rkd_skd rkdhead_skd"  # What to train: none, CRITERION,
                    # FORM_task, FORM_CRITERION: FORM, of stage 1, begins with rkd. Empty: the
                    # teacher alone. Overlays:
rkd_config=conf/distill_rkd.yaml  # of rkd, laid over a student's config for stage 9,
skd_config=conf/distill_skd.yaml  # of skd, for stages 10 and 11,
conf_dir=conf       # and of another NAME: distill_NAME.yaml in this directory.
seeds=1             # For example "1 2 3".
total_epochs=20     # Of every student, RKD included.
rkd_epochs=4        # Of these, RKD; or its share, such as 0.2.
keep_going=false    # Do without the students whose training or decoding fails; stages 9 to 11 train at once.
train_args=         # Further arguments of every training.
# Decoding
inference_config=conf/decode_ctc_greedy.yaml  # or conf/decode_best_path.yaml: fast, CTC alone.
inference_model=valid.loss_ctc.ave.pth  # Which checkpoint of a training.
use_streaming=false # Students by asr_inference_streaming: contextual_block encoders.
sim_chunk_length=640    # Samples that it gets at a time; 0: the whole utterance.
score_backend=auto  # auto, sclite or internal.

help_message=$(sed -n '/^# General/,/^score_backend/p' "$0"; echo; echo "Stages:";
    sed -n 's/^ *log "Stage \([0-9]*: [^"]*\)".*/  \1/p' "$0")
last_stage=14

cd "$(dirname "$(readlink -f "$0")")"
. ./db.sh
. local/parse_options.sh
. ./cmd.sh
. ./path.sh
. local/check_options.sh
. local/layout.sh
. local/jobs.sh

mkdir -p "${expdir}"
exec 9>>"${expdir}/.lock"
"${python}" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null \
    || die "another run works in ${expdir} (it holds ${expdir}/.lock). Wait for it, stop it, or give another --expdir."

rm -f "${jobs}" "${jobs}".*
[ -z "${teacher_dir}" ] || link_teacher

log "$0 --stage ${stage} --stop_stage ${stop_stage}: ${corpus_dir}, teacher ${teacher_name}, students ${student_configs}, methods ${methods}, seeds ${seeds}"

if ! "${python}" -c 'import espnet_tutornet' 2>/dev/null; then
    runs_stage 0 || die "${python} cannot import espnet_tutornet. Run stage 0, or pip install it."
    choose_python
    log "Stage 0: Environment: install espnet_tutornet and ESPnet ${espnet_release} with ${python} into ${venv} (minutes, some GB)"
    "${python}" -m venv --clear "${venv}"
    "${venv}/bin/python" -m pip install --quiet "../../..[mini]"
    python="${venv}/bin/python"
fi
if runs_stage 0; then
    log "Stage 0: Environment: versions (seconds)"
    "${python}" -m espnet_tutornet.bin.versions
fi
check_gpus
check_start

if runs_stage 1; then
    log "Stage 1: Data: ${corpus_dir} -> ${datadir}/{${all_sets// /,}} (mini: made first, a minute; LibriSpeech: downloaded first)"
    if [ "${corpus_dir}" = "${MINI}" ]; then
        "${python}" -m espnet_tutornet.bin.make_mini_corpus --out_dir "${MINI}" --nj "${nj}"
    elif [ "${corpus_dir}" = "${LIBRISPEECH}" ]; then
        "${python}" -m espnet_tutornet.bin.download_librispeech --corpus "${corpus}" --out_dir "$(dirname "${LIBRISPEECH}")"
    fi
    # shellcheck disable=SC2086  # one argument a split
    "${python}" -m espnet_tutornet.bin.prepare_data --corpus_dir "${corpus_dir}" --splits ${all_sets//_/-} --unlabelled_splits ${unlabelled_sets//_/-} --out_dir "${datadir}" --fs "${fs}" --text_case "${text_case}" --cleaner "${cleaner}"
    if [ -n "${num_labelled}" ]; then
        "${python}" -m espnet_tutornet.bin.hide_transcripts --data_dir "${datadir}/${split_set}" --num_labelled "${num_labelled}" --labelled_dir "${datadir}/${train_sets}" --unlabelled_dir "${datadir}/${split_set}_without${num_labelled}"
    fi
fi

if [ -n "${speed_perturb_factors}" ] && runs_stage 2; then
    log "Stage 2: Speed perturbation by ${speed_perturb_factors}: ${datadir} -> ${datadir}/*_sp (about 100 x real time)"
    for set in ${train_sets} ${hidden_sets}; do
        flag=
        [[ " ${hidden_sets} " != *" ${set} "* ]] || flag=--unlabelled
        "${python}" -m espnet_tutornet.bin.perturb_speed --data_dir "${datadir}/${set}" --out_dir "${datadir}/${set}_sp" --factors "${speed_perturb_factors}" --nj "${nj}" ${flag}
    done
fi

if [ -n "${noisy_sets}" ] && runs_stage 2; then
    log "Stage 2: Noise at ${noise_db} dB: ${datadir}/{${noisy_sets// /,}} -> ${datadir}/*_noisy (about 1000 x real time)"
    for set in ${noisy_sets}; do
        "${python}" -m espnet_tutornet.bin.add_noise --data_dir "${datadir}/${set}" --out_dir "${datadir}/${set}_noisy" --noise_db "${noise_db}" --nj "${nj}"
    done
fi

if runs_stage 3; then
    log "Stage 3: Length filter, ${min_wav_duration}-${max_wav_duration} s: ${datadir} -> ${dumpdir} (seconds)"
    limits="--fs $(<"${datadir}/fs") --min_wav_duration ${min_wav_duration} --max_wav_duration ${max_wav_duration}"
    filter_set "${train_set}" "$(dirs_of "${train_sets}")" "" "${limits}"
    filter_set "${valid_set}" "${datadir}/${valid_set}" "" "${limits}"
    [ -z "${hidden_sets}" ] || filter_set "${audio_set}" "$(dirs_of "${train_sets}")" "$(dirs_of "${hidden_sets}")" "${limits}"
fi

if runs_stage 4; then
    log "Stage 4: Tokens: ${dumpdir}/${train_set}/text -> ${tokendir}; leave out what is too short for CTC (seconds; a teacher of the hub is downloaded first)"
    [ -z "${teacher}" ] || "${python}" -m espnet_tutornet.bin.bring_teacher --teacher "${teacher}" --out_dir "${teacher_run}"
    if [ "${token_name}" != teacher ]; then
        "${python}" -m espnet_tutornet.bin.make_tokens --token_type "${token_type}" --nbpe "${nbpe}" --text "${dumpdir}/${train_set}/text" --out_dir "${tokendir}"
    else
        "${python}" -m espnet_tutornet.bin.make_tokens --teacher_config "${teacher_config}" --out_dir "${tokendir}"
    fi
    # 40 ms a frame: hop 10 ms, subsampled by 4
    limits="--token_list ${tokendir}/tokens.txt --token_type $(<"${tokendir}/token_type") --bpemodel ${tokendir}/bpe.model --samples_per_frame $(($(<"${datadir}/fs") / 25))${unk_max:+ --unk_max ${unk_max}}"
    filter_set "${train_set}" "${dumpdir}/${train_set}" "" "${limits}"
    filter_set "${valid_set}" "${dumpdir}/${valid_set}" "" "${limits}"
    [ -z "${hidden_sets}" ] || filter_set "${audio_set}" "" "${dumpdir}/${audio_set}" "${limits}"
fi

load_arguments
if runs_stage 5; then
    log "Stage 5: Statistics of the features: ${dumpdir}/${train_set} -> ${expdir}/stats_* (ten seconds a configuration)"
    configs="${student_configs}"
    if "${teacher_is_ours}"; then configs="${teacher_train_config} ${configs}"; fi
    for config in ${configs}; do
        stats=$(stats_of "${config}")
        "${python}" -m espnet_tutornet.bin.make_config --inputs "${config}" --out "${stats}/collect.yaml" --train_text "${dumpdir}/${train_set}/text" --fs "$(<"${datadir}/fs")"
        # of the transcribed audio: ESPnet collects none without a transcript
        # shellcheck disable=SC2046,SC2086
        job "${stats}" collect "${stats}/collect.yaml,$(data_files "${train_set}")" "$(host_of "${config}").asr_train" --collect_stats true \
            --config "${stats}/collect.yaml" --output_dir "${stats}" ${token_args} $(data_args "${train_set}") --ngpu 0
    done
    launch "statistics" "${nj}" 1 "${train_cmd}"
fi

if runs_stage 6 && "${teacher_is_ours}"; then
    log "Stage 6: Teacher: ${teacher_train_config} -> ${teacher_run} (minutes to days; see ${teacher_run}/train.log)"
    train_job "${teacher_name}" "${train_set}" "${teacher_train_config}" "${teacher_epochs}" 0 "" "$(host_of "${teacher_train_config}").asr_train"
    launch "teacher" 1 "${nj}" "${train_cmd}"
fi

if runs_stage 7; then
    log "Stage 7: Teacher check: greedy WER of ${teacher_model} on ${datadir}/${valid_set}, at most ${teacher_wer_max} % (a minute)"
    decoded_in=check best_path=$(if has_ctc "${teacher_config}"; then echo true; else echo "${best_path}"; fi) decode_jobs "${teacher_name}" "${teacher_config}" "${teacher_model}" "${valid_set}"
    job "${teacher_run}" measure "${teacher_config},${teacher_model}" espnet_tutornet.bin.measure_models --wav_scp "${datadir}/${valid_set}/wav.scp" --models "${teacher_run}=${teacher_config}=${teacher_model}"
    launch "teacher check" 1 1 "${decode_cmd}"
    decoded_in=check gather_texts "${teacher_name}"
    "${python}" -m espnet_tutornet.bin.score --dumpdir "${datadir}" --backend "${score_backend}" --decode_dirs "${teacher_run}/check/${valid_set}"
    "${python}" -m espnet_tutornet.bin.check_wer --score "${teacher_run}/check/${valid_set}/score.json" --measure "${teacher_run}/measure.json" --wer_max "${teacher_wer_max}"
fi

if runs_stage 8 && [ "${teacher_outputs}" = cache ] && { "${uses_posteriors}" || [ -n "${rkd_forms}" ]; }; then
    log "Stage 8: Teacher outputs: ${dumpdir}/{${audio_set},${valid_set}} -> ${teacher_cache} (faster than real time by 100 and more; the size is printed first)"
    # shellcheck disable=SC2086
    "${python}" -m espnet_tutornet.bin.dump_teacher --teacher_config "${teacher_config}" --teacher_model "${teacher_model}" --data_dirs "${dumpdir}/${audio_set}" "${dumpdir}/${valid_set}" --out_dir "${teacher_cache}" --fs "$(<"${datadir}/fs")" --layers ${teacher_layers} --hidden_form "${hidden_form}" --top_k "${top_k}" --nj "${nj}" --ngpu "${ngpu}" ${stock_padding} --check_dir "${dumpdir}/${valid_set}" --check_decoded "${teacher_run}/check/${valid_set}" --backend "${cmd_backend}" ${cmd_conf:+--backend_conf "${cmd_conf}"}
fi

going=  # from here on jobs are of students
! "${keep_going}" || going=--keep_going
if runs_stage 9 && [ -n "${rkd_forms}" ]; then
    log "Stage 9: RKD, ${rkd_epochs} epochs: the students' hidden states learn the teacher's -> ${expdir}/*_seed*:${rkd_forms}"
    # shellcheck disable=SC2086
    train_students "RKD" ${rkd_forms}
fi

if runs_stage 10 && [ -n "${rkd_rivals}" ]; then
    log "Stage 10: SKD with the task loss, ${task_epochs} epochs, started from stage 9:${rkd_rivals} -> ${expdir}"
    # shellcheck disable=SC2086
    train_students "RKD, then SKD" ${rkd_rivals}
fi

if runs_stage 11 && [ -n "${rivals}" ]; then
    log "Stage 11: Comparison students, ${total_epochs} epochs each in all:${rivals} -> ${expdir}"
    # shellcheck disable=SC2086
    train_students "comparison" ${rivals}
fi
launch_students

# shellcheck disable=SC2046,SC2086
trained_runs=$(done_runs $(student_runs ${methods}))
if runs_stage 12; then
    log "Stage 12: Decoding by ${inference_config}: ${datadir}/{${test_sets// /,}} -> ${expdir}/*/decode_${decode_name} (prefix search 0.1 x real time, best path 0.01 x)"
    describe "${teacher_name}" "${teacher_name}" teacher 0 "${teacher_config}" "$(awk '$1 == "max_epoch:" {print $2}' "${teacher_config}")"
    # shellcheck disable=SC2086
    decode_jobs "${teacher_name}" "${teacher_config}" "${teacher_model}" ${test_sets}
    for run in ${trained_runs}; do
        # shellcheck disable=SC2086
        decode_jobs "${run}" "${expdir}/${run}/export/config.yaml" "${expdir}/${run}/export/model.pth" ${test_sets}
    done
    launch "decoding" "${nj}" 1 "${decode_cmd}"
    # shellcheck disable=SC2086
    gather_texts "${teacher_name}" ${trained_runs}
fi

if runs_stage 13; then
    log "Stage 13: Scoring, size, MACs and real-time factors -> ${expdir}/RESULTS.md, ${expdir}/results.csv (a minute)"
    scp="${datadir}/${test_sets%% *}/wav.scp" dirs=
    for run in "${teacher_name}" ${trained_runs}; do
        dirs+=" $(decoded_dirs "${run}")"
        files="${expdir}/${run}/export/config.yaml=${expdir}/${run}/export/model.pth"
        [ "${run}" != "${teacher_name}" ] || files="${teacher_config}=${teacher_model}"
        job "$(dir_of "${run}")" cost "${files/=/,},${scp}" espnet_tutornet.bin.measure_models --expdir "${expdir}" --wav_scp "${scp}" --models "$(dir_of "${run}")=${files}"
    done
    # shellcheck disable=SC2086
    "${python}" -m espnet_tutornet.bin.score --dumpdir "${datadir}" --backend "${score_backend}" --decode_dirs ${dirs}
    launch "measuring" 1 1  # one at a time: they are timed
    "${python}" -m espnet_tutornet.bin.report --expdir "${expdir}" --out "${expdir}/RESULTS.md" --csv "${expdir}/results.csv" --title "RESULTS"
fi

if runs_stage 14; then
    log "Stage 14: Model cards, and packing with espnet2.bin.pack -> ${expdir}/*/MODEL_CARD.md, ${expdir}/*/*.zip (seconds)"
    # shellcheck disable=SC2086
    "${python}" -m espnet_tutornet.bin.model_card --expdir "${expdir}" --inference_config "${inference_config}" --use_streaming "${use_streaming}" --sim_chunk_length "${sim_chunk_length}" --runs ${trained_runs}
    for run in ${trained_runs}; do
        job "${expdir}/${run}" pack "${expdir}/${run}/export/model.pth,${expdir}/${run}/export/config.yaml,${expdir}/${run}/MODEL_CARD.md" espnet_tutornet.bin.pack_student --expdir "${expdir}/${run}"
    done
    launch "packing" "${nj}" 1
fi

rm -f "${jobs}"
log "Successfully finished. [elapsed=${SECONDS}s]"
