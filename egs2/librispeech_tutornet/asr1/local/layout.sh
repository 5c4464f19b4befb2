# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh after its options: which sets, directories and files they mean.

case "${corpus_dir:+given}${corpus}" in
    given*) ;;
    mini) corpus_dir="${MINI}" ;;
    mini_librispeech | librispeech_100 | librispeech_960) corpus_dir="${LIBRISPEECH}" ;;
    *) die "--corpus must be mini, mini_librispeech, librispeech_100 or librispeech_960, got ${corpus}." ;;
esac
case "${corpus}" in
    mini_librispeech) train=train_clean_5 valid=dev_clean_2 tests=dev_clean_2 ;;
    librispeech_100) train=train_clean_100 valid=dev_clean tests="dev_clean dev_other test_clean test_other" ;;
    librispeech_960) train="train_clean_100 train_clean_360 train_other_500" valid=dev_clean tests="dev_clean dev_other test_clean test_other" ;;
    *) train=train_clean valid=dev_clean tests="test_clean test_other" ;;
esac
case "${corpus_dir}" in
    "${MINI}") size=_mini ;;
    "${LIBRISPEECH}") [ "${corpus}" = mini_librispeech ] && size="" || size=_librispeech ;;
    *) size= ;;
esac
teacher_train_config="${teacher_train_config:-conf/train_teacher${size}.yaml}"
student_configs="${student_configs:-conf/train_student${size}.yaml}"
train_sets="${train_set:-${train}}"
valid_set="${valid_set:-${valid}}"
test_sets="${test_sets:-${tests}}"
all_sets=$(printf '%s\n' ${train_sets} ${valid_set} ${test_sets} | awk '!seen[$0]++' | xargs)
for set in ${noisy_sets}; do
    [[ " ${test_sets} " == *" ${set} "* ]] || die "--noisy_sets: ${set} is not one of --test_sets, ${test_sets}."
done
for set in ${noisy_sets}; do test_sets+=" ${set}_noisy"; done
hidden_sets=  # data directories without transcripts
for set in ${unlabelled_sets}; do hidden_sets+=" ${set}_unlabelled"; done
if [ -n "${num_labelled}" ]; then
    [[ "${train_sets}" != *" "* ]] || die "--num_labelled takes transcripts from one train_set, got ${train_sets}. Give the others as --unlabelled_sets."
    split_set="${train_sets}"
    train_sets="${split_set}_with${num_labelled}"
    hidden_sets+=" ${split_set}_without${num_labelled}"
fi
perturbed=
[ -z "${speed_perturb_factors}" ] || perturbed=_sp
train_set="${train_sets// /+}${perturbed}"  # what can be trained with the task loss
audio_set="${train_set}${hidden_sets// /+}"  # and what the teacher is heard about
token_name="${token_type}"
[ "${token_type}" = char ] || [ "${token_type}" = teacher ] || token_name="${token_type}${nbpe}"
# SKD compares posteriors token by token: a teacher from elsewhere brings its tokens.
if [ -n "${teacher}${teacher_config}" ] && "${uses_posteriors}"; then token_name=teacher; fi
[ "${token_type}" != teacher ] || [ -n "${teacher}${teacher_config}" ] || die "--token_type teacher takes over the tokens of a teacher that is brought: give --teacher or --teacher_config."
tokendir="${datadir}/token_list/${token_name}"
if [ -z "${teacher}${teacher_config}" ]; then
    teacher_name=$(basename "${teacher_train_config}" .yaml)
    teacher_name="${teacher_name#train_}"
    teacher_run="${teacher_dir:-${expdir}/${teacher_name}}"
    teacher_config="${teacher_run}/config.yaml"
    teacher_model="${teacher_run}/${inference_model}"
    teacher_is_ours=true
else
    teacher_name=teacher
    teacher_run="${teacher_dir:-${expdir}/${teacher_name}}"
    teacher_is_ours=false
    if [ -n "${teacher}" ]; then
        teacher_config="${teacher_run}/config.yaml"
        teacher_model="${teacher_run}/model.pth"
    fi
fi
teacher_cache="${teacher_cache:-${teacher_run}/outputs}"
decode_name=$(basename "${inference_config}" .yaml)
decode_name="${decode_name#decode_}"
decoded_in="decode_${decode_name}"  # of a run; stage 7 has a place of its own
train_nj="${nj}"
[ "${ngpu}" -eq 0 ] || train_nj=1
gpu_args="--ngpu ${ngpu}"
processes=$((ngpu > 0 ? ngpu * num_nodes : 1))  # of one training
if [ "${ngpu}" -gt 1 ] || [ "${num_nodes}" -gt 1 ]; then gpu_args+=" --multiprocessing_distributed true"; fi
[ "${num_nodes}" -eq 1 ] || gpu_args+=" --dist_launcher slurm --dist_master_port 29500"
task_epochs=$((total_epochs - rkd_epochs))
link_teacher() {  # show a teacher that lives elsewhere among the runs of expdir
    mkdir -p "${teacher_dir}"
    [ -L "${expdir}/${teacher_name}" ] || [ ! -e "${expdir}/${teacher_name}" ] || die "--teacher_dir ${teacher_dir}: ${expdir}/${teacher_name} holds a teacher already. Remove it or give another --expdir."
    ln -sfn "$(cd "${teacher_dir}" && pwd)" "${expdir}/${teacher_name}"
}
