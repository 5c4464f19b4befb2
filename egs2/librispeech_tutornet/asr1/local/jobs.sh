# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# Sourced by run.sh: the jobs of its stages. Strings of arguments are lists of words.

runs_stage() {  # runs_stage N: is stage N asked for?
    [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ] && [[ " ${skip_stages} " != *" $1 "* ]]
}
jobs="${expdir}/.jobs"
job() {  # job DIR NAME DEPENDS MODULE [ARG ...]: add a job; NAME.log and .NAME.done go to DIR
    local dir="$1" name="$2" depends="$3"
    shift 3
    printf '%q ' "done=${dir}/.${name}.done" "log=${dir}/${name}.log" "depends=${depends}" "resumes=${resumes:-}" -- "$@" >> "${jobs}"
    echo >> "${jobs}"
}
launch() {  # launch TITLE NJ THREADS: run the jobs added since the last launch
    local file
    file=$(mktemp "${jobs}.XXXXXX")
    mv "${jobs}" "${file}"
    "${python}" -m espnet_tutornet.bin.run_jobs --jobs "${file}" --title "$1" --nj "$2" --threads "$3"
    rm -f "${file}"
}
load_arguments() {  # what all trainings share; reads what stages 1 and 4 wrote
    local pair mode set
    token_args="--use_preprocessor true --token_type $(cat "${tokendir}/token_type" 2>/dev/null || echo char) --token_list ${tokendir}/tokens.txt"
    [ ! -f "${tokendir}/bpe.model" ] || token_args+=" --bpemodel ${tokendir}/bpe.model"
    data_args=
    for pair in "train ${train_set}" "valid ${valid_set}"; do
        read -r mode set <<< "${pair}"
        data_args+=" --${mode}_data_path_and_name_and_type ${dumpdir}/${set}/wav.scp,speech,sound"
        data_args+=" --${mode}_data_path_and_name_and_type ${dumpdir}/${set}/text,text,text"
    done
    data_files="${dumpdir}/${train_set}/wav.scp,${dumpdir}/${train_set}/text,${dumpdir}/${valid_set}/wav.scp,${dumpdir}/${valid_set}/text,${tokendir}/tokens.txt"
    teacher_args="--distill_conf teacher.config=${teacher_config} --distill_conf teacher.model=${teacher_model}"
    teacher_files="${teacher_config},${teacher_model}"
    if [ "${teacher_outputs}" = cache ]; then
        teacher_args="--distill_conf teacher.cache=${teacher_cache}"
        teacher_files="${teacher_cache}/manifest.json"
    fi
}
name_of() { basename "$1" .yaml | sed 's/^train_//'; }
stats_of() { echo "${expdir}/stats_$(name_of "$1")"; }

train_job() {  # train_job RUN CONFIGS EPOCHS SEED DEPENDS MODULE [ARG ...]: CONFIGS are laid over each other
    local run="$1" configs="$2" epochs="$3" seed="$4" depends="$5" module="$6" config stats
    local resumes="${expdir}/${run}/checkpoint.pth"
    shift 6
    config="${expdir}/${run}/train.yaml"
    stats=$(stats_of "${configs%% *}")
    # shellcheck disable=SC2086  # the argument strings are lists of words
    "${python}" -m espnet_tutornet.bin.make_config --inputs ${configs} --out "${config}" --max_epoch "${epochs}" --train_text "${dumpdir}/${train_set}/text" --fs "$(<"${datadir}/fs")"
    # shellcheck disable=SC2086
    job "${expdir}/${run}" train "${config},${data_files},${stats}/train/feats_stats.npz${depends:+,${depends}}" "${module}" \
        --config "${config}" --output_dir "${expdir}/${run}" --seed "${seed}" --resume true \
        ${token_args} ${data_args} ${gpu_args} \
        --train_shape_file "${stats}/train/speech_shape" --valid_shape_file "${stats}/valid/speech_shape" \
        --normalize global_mvn --normalize_conf "stats_file=${stats}/train/feats_stats.npz" ${train_args} "$@"
}
describe() {  # describe RUN STUDENT METHOD SEED CONFIG EPOCHS: what the results table says of a run
    mkdir -p "${expdir}/$1"
    printf '%s\n' "student: $2" "teacher: ${teacher_name}" "method: $3" "seed: $4" "total_epochs: $6" "config: $5" > "${expdir}/$1/run.yaml"
}

decode_jobs() {  # decode_jobs RUN CONFIG MODEL SET ...
    local run="$1" config="$2" model="$3" set
    shift 3
    for set in "$@"; do
        job "${expdir}/${run}/decode_${decode_name}/${set}" decode "${config},${model},${inference_config},${datadir}/${set}/wav.scp" espnet2.bin.asr_inference \
            --config "${inference_config}" --ngpu 0 --asr_train_config "${config}" --asr_model_file "${model}" \
            --data_path_and_name_and_type "${datadir}/${set}/wav.scp,speech,sound" --key_file "${datadir}/${set}/wav.scp" \
            --output_dir "${expdir}/${run}/decode_${decode_name}/${set}/logdir"
    done
}
gather_texts() {  # gather_texts RUN ...: the hypotheses, sorted, where scoring looks for them
    local dir run
    for run in "$@"; do
        for dir in "${expdir}/${run}/decode_${decode_name}"/*/; do
            [ "${dir}text" -nt "${dir}.decode.done" ] || sort "${dir}logdir/1best_recog/text" > "${dir}.text"
            [ ! -f "${dir}.text" ] || mv "${dir}.text" "${dir}text"
        done
    done
}

export_job() {  # export_job RUN CHECKPOINT
    job "${expdir}/$1" export "${expdir}/$1/config.yaml,${expdir}/$1/.train.done" espnet_tutornet.bin.export_student --expdir "${expdir}/$1" --checkpoint "$2"
}
student_jobs() {  # student_jobs METHOD: one training for each student and seed
    local method="$1" config seed student run rkd init
    for config in ${student_configs}; do
        student=$(name_of "${config}")
        for seed in ${seeds}; do
            run="${student}_${method}_seed${seed}"
            rkd="${student}_rkd_seed${seed}"
            [ "${method}" = rkd ] || describe "${run}" "${student}" "${method}" "${seed}" "${config}" "${total_epochs}"
            init="${expdir}/${rkd}/valid.loss_rkd.best.pth:encoder:encoder"
            # shellcheck disable=SC2086
            case "${method}" in
                none) train_job "${run}" "${config}" "${total_epochs}" "${seed}" "" espnet2.bin.asr_train ;;
                skd) train_job "${run}" "${config} ${skd_config}" "${total_epochs}" "${seed}" "${teacher_files}" "espnet_tutornet.bin.tutornet_train" ${teacher_args} ;;
                rkd) train_job "${run}" "${config} ${rkd_config}" "${rkd_epochs}" "${seed}" "${teacher_files}" "espnet_tutornet.bin.tutornet_train" ${teacher_args} ;;
                rkd_task) train_job "${run}" "${config}" "${task_epochs}" "${seed}" "${expdir}/${rkd}/.train.done" espnet2.bin.asr_train --init_param "${init}" ;;
                rkd_skd) train_job "${run}" "${config} ${skd_config}" "${task_epochs}" "${seed}" "${expdir}/${rkd}/.train.done,${teacher_files}" "espnet_tutornet.bin.tutornet_train" ${teacher_args} --init_param "${init}" ;;
                *) die "--methods: none, skd, rkd_task or rkd_skd, got ${method}." ;;
            esac
        done
    done
}
student_runs() {  # student_runs METHOD ...: their names
    local method config seed
    for method in "$@"; do for config in ${student_configs}; do for seed in ${seeds}; do
        echo "$(name_of "${config}")_${method}_seed${seed}"
    done; done; done
}
train_students() {  # train_students TITLE METHOD ...
    local title="$1" method run
    shift
    for method in "$@"; do student_jobs "${method}"; done
    launch "${title}" "${train_nj}" 1
    [ "$*" != rkd ] || return 0
    for run in $(student_runs "$@"); do export_job "${run}" "${inference_model}"; done
    launch "export" "${nj}" 1
}
