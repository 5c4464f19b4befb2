# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by run.sh: where the workers of stage 8, the teacher's outputs, run.
# local: --nj processes on this machine, on its GPUs when --ngpu > 0.
# slurm, pbs: --nj jobs of that batch system (pip install dask-jobqueue); cmd_conf is a
#   yaml of its arguments, such as "queue: gpu", "cores: 4", "memory: 16GB",
#   "walltime: '02:00:00'", "job_extra_directives: ['--gres=gpu:1']".
# All other stages run on the machine that run.sh is started on.
cmd_backend=local
cmd_conf=
