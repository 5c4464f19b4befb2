import os
import sys
from types import SimpleNamespace

import pytest
import torch

from espnet_tutornet.teacher import cluster
from espnet_tutornet.teacher.cluster import (
    number_of_worker,
    start_client,
    start_cluster,
)


def test_a_local_client_runs_functions_in_this_process():
    with start_client("local", 1) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        assert len(client.scheduler_info()["workers"]) == 1


def where_it_runs():
    return os.getpid(), torch.cuda._is_in_bad_fork()


@pytest.fixture(scope="module")
def side_by_side():
    """Return a client of two workers, of a parent that asked for CUDA."""
    torch.cuda.is_available()
    with start_client("local", 2) as client:
        yield client


def test_workers_side_by_side_can_use_cuda_though_their_parent_asked_for_it(
    side_by_side,
):
    process, bad_fork = side_by_side.submit(where_it_runs).result()
    assert process != os.getpid() and not bad_fork


def numbers_of(client):
    return sorted(
        client.submit(number_of_worker, workers=[address], pure=False).result()
        for address in client.scheduler_info()["workers"]
    )


def test_every_worker_knows_its_number(side_by_side):
    assert numbers_of(side_by_side) == [0, 1]
    with start_client("local", 1) as client:
        assert numbers_of(client) == [0]


@pytest.mark.parametrize(
    "name, number", [(3, 3), ("SLURMCluster-12", 12), ("PBSCluster-0-2", 2), ("x", 0)]
)
def test_the_number_of_a_worker_is_the_last_in_its_name(monkeypatch, name, number):
    monkeypatch.setattr(cluster, "get_worker", lambda: SimpleNamespace(name=name))
    assert number_of_worker() == number


@pytest.mark.parametrize(
    "backend, directive", [("slurm", "#SBATCH -p gpu"), ("pbs", "#PBS -q gpu")]
)
def test_jobs_of_a_batch_system_are_written_as_configured(
    tmp_path, backend, directive, monkeypatch
):
    dask_jobqueue = pytest.importorskip("dask_jobqueue")
    conf = tmp_path / "jobs.yaml"
    conf.write_text("queue: gpu\ncores: 2\nmemory: 8GB\nwalltime: '01:00:00'\n")
    kind = {"slurm": "SLURMCluster", "pbs": "PBSCluster"}[backend]
    monkeypatch.setattr(getattr(dask_jobqueue, kind), "scale", lambda self, n: None)
    with start_cluster(backend, 3, conf) as cluster:
        script = cluster.job_script()
    assert directive in script and "01:00:00" in script


def test_a_batch_system_without_its_library_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    said = "dask_jobqueue is not installed, which cmd_backend slurm needs"
    with pytest.raises(RuntimeError, match=rf"{said}.*tutornet\[cluster\]"):
        start_client("slurm", 2)
