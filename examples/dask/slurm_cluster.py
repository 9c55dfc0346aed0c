"""Keeps a Dask cluster on Slurm for nbexec: four jobs with eight slots each.

Certificates are read from Dask's configuration, ~/.config/dask/tls.yaml.
"""

import time

from dask_jobqueue import SLURMCluster
from distributed import Security

OPTIONS = {
    "cores": 8,  # slots of a job: how many notebooks it runs at once
    "processes": 1,
    "memory": "32 GiB",
    "walltime": "12:00:00",
    # The worker stops before Slurm would kill it, and lets notebooks save.
    "worker_extra_args": ["--preload", "nbexec.dask_worker", "--lifetime", "11h", "--lifetime-stagger", "10m"],
    "protocol": "tls://",
    "security": Security(),
}

if __name__ == "__main__":
    cluster = SLURMCluster(**OPTIONS, scheduler_options={"port": 8786, "dashboard": False})
    while True:
        cluster.scale(jobs=4)  # also submits a job again when its worker has left
        time.sleep(60)
