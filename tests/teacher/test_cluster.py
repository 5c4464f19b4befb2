import builtins

import pytest

from espnet_tutornet.teacher.cluster import start_client, start_cluster


def test_a_local_client_runs_functions_in_this_process():
    with start_client("local", 1) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        assert len(client.scheduler_info()["workers"]) == 1


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
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "dask_jobqueue":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RuntimeError, match=r"pip install 'espnet_tutornet\[cluster\]'"):
        start_client("slurm", 2)
