# shellcheck shell=bash
# Sourced by tutornet.sh: where the workers of stage 8, the teacher's outputs, run.
# local: --nj processes on this machine, on its GPUs when --ngpu > 0.
# slurm, pbs: --nj jobs of that batch system (pip install 'espnet_tutornet[cluster]'); cmd_conf is a
#   yaml of its arguments, such as "queue: gpu", "cores: 4", "memory: 16GB",
#   "walltime: '02:00:00'", "job_extra_directives: ['--gres=gpu:1']".
export cmd_backend="${cmd_backend:-local}"
export cmd_conf="${cmd_conf:-}"

# Words put before the command of a stage's trainings (5, 6, 9-11) and of its decodings
# (7, 12); empty: on this machine. With slurm, for four GPUs:
#   train_cmd="srun --nodes=1 --ntasks-per-node=1 --gres=gpu:4 --cpus-per-task=16 --time=48:00:00"
# and --ngpu 4; --num_nodes 2 goes with --nodes=2. With PBS start run.sh inside a job.
# Not run by us on a batch system.
export train_cmd="${train_cmd:-}"
export decode_cmd="${decode_cmd:-}"
