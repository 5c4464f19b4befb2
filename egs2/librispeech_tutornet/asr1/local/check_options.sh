# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh after its options: are they what they can be, and what do they mean?
for name in stage stop_stage nj ngpu num_nodes teacher_epochs total_epochs top_k; do
    [[ "${!name}" =~ ^[0-9]+$ ]] || die "--${name} must be a number, 0 or more, got ${!name:-nothing}."
done
for number in ${skip_stages}; do
    [[ "${number}" =~ ^[0-9]+$ ]] || die "--skip_stages must be numbers of stages, such as \"2 14\", got ${number}."
done
for name in keep_going use_streaming; do
    case "${!name}" in
        true | false) ;;
        *) die "--${name} must be true or false, got ${!name:-nothing}." ;;
    esac
done
# They become words of command lines, and parts of lists of files.
for name in datadir dumpdir expdir corpus_dir teacher_dir teacher_cache teacher_config teacher_model conf_dir rkd_config skd_config inference_config; do
    [[ "${!name}" != *[[:space:],=]* ]] || die "--${name} must be a path without spaces, commas and =, got '${!name}'. Give another, or a link to it."
done
[ "${stage}" -le "${last_stage}" ] || die "--stage ${stage} is past the last stage, ${last_stage}."
case "${rkd_epochs}" in
    0.* | .*) rkd_epochs=$(awk -v share="${rkd_epochs}" -v total="${total_epochs}" 'BEGIN {n = int(share * total + 0.5); print n ? n : 1}') ;;
esac
case "${cmd_backend}" in
    local | slurm | pbs) ;;
    *) die "cmd_backend must be local, slurm or pbs, got ${cmd_backend}. See cmd.sh." ;;
esac
if [ -n "${teacher}" ] && [ -n "${teacher_config}${teacher_model}" ]; then
    die "--teacher is one way to bring a teacher, --teacher_config with --teacher_model another: give one of them."
fi
if [ -n "${teacher_config}${teacher_model}" ] && { [ -z "${teacher_config}" ] || [ -z "${teacher_model}" ]; }; then
    die "--teacher_config and --teacher_model go together: the config.yaml and the .pth of one model."
fi
case "${teacher_outputs}" in
    cache | online | config) ;;
    *) die "--teacher_outputs must be cache, online or config, got ${teacher_outputs}." ;;
esac
case "${cache_missing}" in
    error | skip | online) ;;
    *) die "--cache_missing must be error, skip or online, got ${cache_missing}." ;;
esac
case "${text_case}" in
    "" | upper | lower) ;;
    *) die "--text_case must be upper or lower, or empty, got ${text_case}." ;;
esac
stock_padding=
case "${mask_padding}" in
    "" | teacher | all) ;;
    none) stock_padding=--stock_padding ;;
    *) die "--mask_padding must be teacher, all or none, got ${mask_padding}." ;;
esac
best_path=false
if grep -Eqs "^search: *['\"]?best_path" "${inference_config}"; then best_path=true; fi
if "${best_path}" && "${use_streaming}"; then
    die "--use_streaming true: ${inference_config} decodes whole utterances. Give one of asr_inference_streaming."
fi
check_start() {  # has what comes before the first stage been done?
    local made="${tokendir}/tokens.txt" file maker pair
    [ "${stage}" -le "${stop_stage}" ] || return 0
    if "${teacher_is_ours}" && { "${uses_posteriors}" || [ -n "${rkd_forms}" ] || [ "${stop_stage}" -ge 12 ]; }; then made="${teacher_model}"; fi
    for pair in "1 ${datadir}/fs" "3 ${dumpdir}/${train_set}/wav.scp" "4 ${tokendir}/tokens.txt" "6 ${made}"; do
        read -r maker file <<< "${pair}"
        if [ "${stage}" -gt "${maker}" ] && [ ! -e "${file}" ]; then
            die "--stage ${stage}: ${file} is not there, which stage ${maker} makes. Start with --stage ${maker}."
        fi
    done
}
check_gpus() {  # has this machine the GPUs for what is asked of it? torch is needed, hence after stage 0
    local number found asked=
    if [ "${ngpu}" -eq 0 ]; then return; fi
    if [ -z "${train_cmd}" ]; then
        for number in 6 9 10 11; do if runs_stage "${number}"; then asked+=" ${number}"; fi; done
    fi
    if runs_stage 8 && [ "${cmd_backend}" = local ] && [ "${teacher_outputs}" = cache ]; then asked+=" 8"; fi
    if [ -z "${asked}" ]; then return; fi
    found=$("${python}" -c 'import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)')
    [ "${found}" -ge "${ngpu}" ] || die "--ngpu ${ngpu}: PyTorch finds ${found} GPUs on this machine, expected at least ${ngpu} (stages:${asked}). Use --ngpu 0, look at nvidia-smi and CUDA_VISIBLE_DEVICES, or have other machines train: train_cmd and cmd_backend in cmd.sh."
}

# Methods: which forms of RKD they start from, and which overlays they need.
overlay_of() {  # overlay_of NAME: what is laid over a student for a form of RKD or a criterion
    case "$1" in
        rkd) echo "${rkd_config}" ;;
        skd) echo "${skd_config}" ;;
        *) echo "${conf_dir}/distill_$1.yaml" ;;
    esac
}
rkd_forms='' rkd_rivals='' rivals='' uses_posteriors=false
for method in ${methods}; do
    form='' criterion="${method}"
    case "${method}" in
        none) criterion='' ;;
        rkd*_task) form="${method%%_*}" criterion='' ;;
        rkd*_*) form="${method%%_*}" criterion="${method#*_}" ;;
        rkd*) die "--methods: ${method} is stage 1 alone, expected ${method}_task or ${method}_CRITERION." ;;
    esac
    for name in ${form} ${criterion}; do
        [ -f "$(overlay_of "${name}")" ] || die "--methods: ${method} needs $(overlay_of "${name}"), which is not there. Write it, or use none, skd, rkd_task, rkd_skd or other files of --conf_dir."
    done
    [ -z "${criterion}" ] || uses_posteriors=true
    if [ -n "${form}" ] && [ -n "${criterion}" ]; then rkd_rivals+=" ${method}"; else rivals+=" ${method}"; fi
    if [[ "${form}" && " ${rkd_forms} " != *" ${form} "* ]]; then rkd_forms+=" ${form}"; fi
done
if [ -n "${rkd_forms}" ] && ! [ "${rkd_epochs}" -lt "${total_epochs}" ]; then
    die "--rkd_epochs ${rkd_epochs} must be under --total_epochs ${total_epochs}."
fi
