"""Workers for a dump: processes of this machine, or jobs of a batch system."""

import re
from pathlib import Path
from typing import Optional

from distributed import Client, get_worker

from espnet_tutornet.utils.extras import needs_extra
from espnet_tutornet.utils.reading import read_yaml

BACKENDS = ("local", "slurm", "pbs")


def start_client(backend: str, nj: int, conf: Optional[Path] = None) -> Client:
    """Start ``nj`` workers and connect to them.

    Those of this machine are spawned, not forked: they may use CUDA.

    Args:
        backend: ``local``: processes here; ``slurm``, ``pbs``: jobs of dask_jobqueue.
        nj: number of workers.
        conf: yaml with the arguments of dask_jobqueue's cluster (queue, cores, memory,
            walltime, ...), or None.

    Raises:
        RuntimeError: dask_jobqueue is not installed.
    """
    if backend == "local":
        return Client(
            n_workers=nj,
            threads_per_worker=1,
            processes=nj > 1,  # one worker needs no second ESPnet to start
            memory_limit=0,
            dashboard_address=None,
        )
    return Client(start_cluster(backend, nj, conf))


def start_cluster(backend: str, nj: int, conf: Optional[Path] = None):
    """Start ``nj`` jobs of a batch system; see :func:`start_client`."""
    with needs_extra("cluster", f"cmd_backend {backend}"):
        import dask_jobqueue
    kinds = {
        "slurm": dask_jobqueue.SLURMCluster,
        "pbs": dask_jobqueue.PBSCluster,
    }
    arguments = read_yaml(conf) if conf else {}
    cluster = kinds[backend](**{"cores": 1, "memory": "4GB", **arguments})
    cluster.scale(nj)
    return cluster


def number_of_worker() -> int:
    """Return the number of the worker that this runs in, among those of its machine.

    It is the last number in its name: 1 here, SLURMCluster-7 on a batch system, or
    SLURMCluster-7-1 where a job has several processes.
    """
    numbers = re.findall(r"[0-9]+", str(get_worker().name))
    return int(numbers[-1]) if numbers else 0
