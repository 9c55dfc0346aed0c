"""The metrics of nbexec, which the notebook server publishes to Prometheus at ``/metrics``."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)

EXECUTIONS = Counter("nbexec_executions", "Executions that have ended, by final state", ["state"])
RUNNING = Gauge("nbexec_running", "Executions that are running")
QUEUED = Gauge("nbexec_queued", "Executions that are waiting in the queue")
FIRST_CELL = Histogram("nbexec_first_cell_seconds", "Seconds from a request to the start of the first cell",
                       buckets=_SECONDS)
EXECUTION = Histogram("nbexec_execution_seconds", "Seconds from the start of an execution to its end",
                      buckets=_SECONDS)
KERNEL_DEATHS = Counter("nbexec_kernel_deaths", "Kernels that died while running a cell")
REFUSED = Counter("nbexec_refused", "Requests refused with status 429 because the server was busy")
STREAMS = Gauge("nbexec_streams", "Event streams that are open")
RETRIES = Counter("nbexec_retries", "Starts of a runner or a kernel that were retried")
LOST = Counter("nbexec_lost", "Executions whose runner process was lost, by engine and worker", ["engine", "worker"])


class WorkerCollector(Collector):
    """The slots of each worker, and what runs there."""

    def __init__(self) -> None:
        self.get_state: Callable[[], Dict[str, Any]] = lambda: {"engine": "", "workers": []}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield both; called for each request of Prometheus."""
        state = self.get_state()
        labels = ["engine", "worker"]
        slots = GaugeMetricFamily(
            "nbexec_worker_slots", "Executions that a worker can run at once; 0 if it is not used", labels=labels)
        running = GaugeMetricFamily("nbexec_worker_running", "Executions that are running on a worker", labels=labels)
        for worker in state["workers"]:
            names = [state["engine"], worker["name"]]
            slots.add_metric(names, 0 if worker["problem"] else worker["slots"])
            running.add_metric(names, worker["running"])
        yield slots
        yield running


WORKERS = WorkerCollector()
REGISTRY.register(WORKERS)

for _state in ("completed", "error"):
    EXECUTIONS.labels(_state)  # shown from the start, as zero
