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
launch() {  # launch TITLE NJ THREADS [CMD]: run the jobs added since the last launch
    local file cmd="${4:-}"
    file=$(mktemp "${jobs}.XXXXXX")
    mv "${jobs}" "${file}"
    # shellcheck disable=SC2086
    ${cmd} "${python}" -m espnet_tutornet.bin.run_jobs --jobs "${file}" --title "$1" --nj "$2" --threads "$3" ${going:-} ${gpu:-}
    rm -f "${file}"
    gpu=
}
dirs_of() {  # dirs_of "SET ...": their data directories, after speed perturbation
    local set
    for set in $1; do echo "${datadir}/${set}${perturbed}"; done
}
filter_set() {  # filter_set SET "DIR ..." "UNLABELLED_DIR ..." "ARG ...": write ${dumpdir}/SET
    "${python}" -m espnet_tutornet.bin.filter_data --data_dirs $2 --unlabelled_dirs $3 --out_dir "${dumpdir}/$1" $4
}
data_args() {  # data_args TRAIN_SET: ESPnet's options for it and the dev set
    local pair mode set
    for pair in "train $1" "valid ${valid_set}"; do
        read -r mode set <<< "${pair}"
        echo "--${mode}_data_path_and_name_and_type ${dumpdir}/${set}/wav.scp,speech,sound"
        echo "--${mode}_data_path_and_name_and_type ${dumpdir}/${set}/text,text,text"
        echo "--${mode}_shape_file ${dumpdir}/${set}/utt2num_samples"
    done
}
data_files() {  # data_files TRAIN_SET: what a job with these options depends on
    echo "${dumpdir}/$1/wav.scp,${dumpdir}/$1/text,${dumpdir}/${valid_set}/wav.scp,${dumpdir}/${valid_set}/text,${tokendir}/tokens.txt"
}
load_arguments() {  # what all trainings share; reads what stage 4 wrote
    token_args="--use_preprocessor true --token_type $(cat "${tokendir}/token_type" 2>/dev/null || echo char) --token_list ${tokendir}/tokens.txt"
    [ ! -f "${tokendir}/bpe.model" ] || token_args+=" --bpemodel ${tokendir}/bpe.model"
    local model_args="--distill_conf teacher.config=${teacher_config} --distill_conf teacher.model=${teacher_model}"
    case "${teacher_outputs}" in
        cache)
            teacher_args="--distill_conf teacher.cache=${teacher_cache}"
            teacher_files="${teacher_cache}/manifest.json"
            [ "${cache_missing}" = error ] || teacher_args+=" --distill_conf teacher.missing=${cache_missing}"
            [ "${cache_missing}" != online ] || teacher_args+=" ${model_args}"
            ;;
        online)
            teacher_args="${model_args}"
            teacher_files="${teacher_config},${teacher_model}"
            ;;
        config)
            teacher_args=
            teacher_files=
            ;;
    esac
    [ -z "${mask_padding}" ] || teacher_args+=" --distill_conf mask_padding=${mask_padding}"
}
host_of() {  # host_of CONFIG: who trains and decodes it; stock ESPnet does not know our encoders
    if grep -Eqs "^encoder: *['\"]?(jasper|deepspeech2)" "$1"; then echo espnet_tutornet.bin; else echo espnet2.bin; fi
}
has_ctc() { ! grep -Eqs "^ *ctc_weight: *0(\.0*)?$" "$1"; }  # has_ctc CONFIG: a CTC branch, whose best path can be taken
name_of() { basename "$1" .yaml | sed 's/^train_//'; }
dir_of() { if [ "$1" = "${teacher_name}" ]; then echo "${teacher_run}"; else echo "${expdir}/$1"; fi; }
stats_of() {  # stats_of CONFIG: the statistics that a model with it normalises by
    if [ -n "${teacher_dir}" ] && [ "$1" = "${teacher_train_config}" ]; then echo "${teacher_dir}/stats"; else echo "${expdir}/stats_$(name_of "$1")"; fi
}

train_job() {  # train_job RUN SET CONFIGS EPOCHS SEED DEPENDS MODULE [ARG ...]: CONFIGS are laid over each other
    local run="$1" set="$2" configs="$3" epochs="$4" seed="$5" depends="$6" module="$7" config stats
    local dir all_epochs="${total_epochs}" budget=
    dir=$(dir_of "${run}")
    local resumes="${dir}/checkpoint.pth"
    [ "${ngpu}" -eq 0 ] || gpu=--gpu  # of the launch that it goes to
    shift 7
    if [ "${run}" = "${teacher_name}" ]; then
        all_epochs="${epochs}"
    elif [ "${set}" != "${audio_set}" ]; then  # the epochs of students last alike, whether they use the unlabelled audio or not
        budget="--epoch_text ${dumpdir}/${audio_set}/text"
    fi
    config="${dir}/train.yaml"
    stats=$(stats_of "${configs%% *}")
    # shellcheck disable=SC2086  # the argument strings are lists of words
    "${python}" -m espnet_tutornet.bin.make_config --inputs ${configs} --out "${config}" --max_epoch "${epochs}" --total_epochs "${all_epochs}" --train_text "${dumpdir}/${set}/text" ${budget} --processes "${processes}" --fs "$(<"${datadir}/fs")"
    # shellcheck disable=SC2046,SC2086
    job "${dir}" train "${config},$(data_files "${set}"),${stats}/train/feats_stats.npz${depends:+,${depends}}" "${module}" \
        --config "${config}" --output_dir "${dir}" --seed "${seed}" --resume true \
        ${token_args} $(data_args "${set}") ${gpu_args} \
        --normalize global_mvn --normalize_conf "stats_file=${stats}/train/feats_stats.npz" ${train_args} "$@"
}
describe() {  # describe RUN STUDENT METHOD SEED CONFIG EPOCHS: what the results table says of a run
    mkdir -p "$(dir_of "$1")"
    printf '%s\n' "student: $2" "teacher: ${teacher_name}" "method: $3" "seed: $4" "total_epochs: $6" "config: $5" > "$(dir_of "$1")/run.yaml"
}

decode_jobs() {  # decode_jobs RUN CONFIG MODEL SET ...
    local run="$1" config="$2" model="$3" dir set tool scp input
    dir="$(dir_of "${run}")/${decoded_in}"
    shift 3
    tool="$(host_of "${config}").asr_inference"
    if "${use_streaming}" && [ "${run}" != "${teacher_name}" ]; then tool="espnet2.bin.asr_inference_streaming --sim_chunk_length ${sim_chunk_length}"; fi
    for set in "$@"; do
        scp="${datadir}/${set}/wav.scp"
        input="--config ${inference_config} --ngpu 0 --data_path_and_name_and_type ${scp},speech,sound --key_file ${scp}"
        if "${best_path}"; then tool=espnet_tutornet.bin.best_path input="--wav_scp ${scp}"; fi
        # shellcheck disable=SC2086
        job "${dir}/${set}" decode "${config},${model},${inference_config},${scp}" ${tool} ${input} \
            --asr_train_config "${config}" --asr_model_file "${model}" --output_dir "${dir}/${set}/logdir"
    done
}
gather_texts() {  # gather_texts RUN ...: the hypotheses, sorted, where scoring looks for them
    local dir run
    for run in "$@"; do
        for dir in "$(dir_of "${run}")/${decoded_in}"/*/; do
            [ ! -f "${dir}.decode.done" ] || [ "${dir}text" -nt "${dir}.decode.done" ] || sort "${dir}logdir/1best_recog/text" > "${dir}.text"
            [ ! -f "${dir}.text" ] || mv "${dir}.text" "${dir}text"
        done
    done
}

done_runs() {  # done_runs RUN ...: all of them, but those that failed with keep_going
    local run
    for run in "$@"; do
        if ! "${keep_going}" || [ -f "${expdir}/${run}/.export.done" ]; then echo "${run}"; fi
    done
}
decoded_dirs() {  # decoded_dirs RUN: those of its test sets, but what failed with keep_going
    local dir set
    for set in ${test_sets}; do
        dir="$(dir_of "$1")/decode_${decode_name}/${set}"
        if ! "${keep_going}" || [ -f "${dir}/.decode.done" ]; then echo "${dir}"; else rm -f "${dir}/score.json"; fi
    done
}

export_job() {  # export_job RUN CHECKPOINT
    job "${expdir}/$1" export "${expdir}/$1/config.yaml,${expdir}/$1/.train.done" espnet_tutornet.bin.export_student --expdir "${expdir}/$1" --checkpoint "$2"
}
student_jobs() {  # student_jobs METHOD, or a form of RKD: one training for each student and seed
    local method="$1" form="${1%%_*}" config seed student run configs set epochs depends module args first
    for config in ${student_configs}; do
        student=$(name_of "${config}")
        for seed in ${seeds}; do
            run="${student}_${method}_seed${seed}"
            configs="${config}" set="${audio_set}" epochs="${total_epochs}" depends="${teacher_files}" args="${teacher_args}"
            module=espnet_tutornet.bin.tutornet_train
            case "${method}" in
                none | rkd*_task)
                    set="${train_set}" depends='' args='' module="$(host_of "${config}").asr_train"
                    [ "${mask_padding}" != all ] || module=espnet_tutornet.bin.asr_train  # stock ESPnet masks no student
                    ;;
                *) configs+=" $(overlay_of "${method#rkd*_}")" ;;
            esac
            case "${method}" in
                rkd*_*)
                    first="${expdir}/${student}_${form}_seed${seed}"
                    epochs="${task_epochs}" depends="${first}/.train.done${depends:+,${depends}}"
                    args+=" --init_param ${first}/valid.loss_rkd.best.pth:::distiller."  # the whole student
                    if [ "${method}" != "${form}_task" ] && grep -q '^ *rkd:' "$(overlay_of "${method#rkd*_}")"; then
                        args+=" ${first}/valid.loss_rkd.best.pth:distiller.terms.rkd:distiller.terms.rkd"  # its adapter, too
                    fi
                    ;;
                rkd*) epochs="${rkd_epochs}" ;;
            esac
            [[ "${method}" == rkd* && "${method}" != *_* ]] || describe "${run}" "${student}" "${method}" "${seed}" "${config}" "${total_epochs}"
            # shellcheck disable=SC2086
            train_job "${run}" "${set}" "${configs}" "${epochs}" "${seed}" "${depends}" "${module}" ${args}
        done
    done
}
student_runs() {  # student_runs METHOD ...: their names
    local method config seed
    for method in "$@"; do for config in ${student_configs}; do for seed in ${seeds}; do
        echo "$(name_of "${config}")_${method}_seed${seed}"
    done; done; done
}
train_students() {  # train_students TITLE METHOD ...: train and export, loading ESPnet once; with keep_going launch_students does
    local title="$1" method run checkpoint="${inference_model}" cmd="${train_cmd}"
    [ "${title}" != RKD ] || checkpoint=valid.loss_rkd.best.pth
    shift
    for method in "$@"; do student_jobs "${method}"; done
    # each machine runs the jobs of its launch, and an export is for one
    if [ "${num_nodes}" -gt 1 ]; then
        launch "${title}" "${train_nj}" 1 "${cmd}"
        cmd=
    fi
    for run in $(student_runs "$@"); do export_job "${run}" "${checkpoint}"; done
    if ! "${keep_going}" || [ "${num_nodes}" -gt 1 ]; then launch "${title}" "${train_nj}" 1 "${cmd}"; fi
}
launch_students() {  # launch_students: the jobs that train_students left, of several stages, so that no process idles between them
    if [ -s "${jobs}" ]; then launch "students" "${train_nj}" 1 "${train_cmd}"; fi
}
