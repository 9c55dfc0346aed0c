"""The metrics of nbexec at ``/metrics`` of the notebook server, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)

EXECUTIONS = Counter("nbexec_executions", "Executions that have ended, by their final state", ["state"])
RUNNING = Gauge("nbexec_running", "Executions that have a process now")
QUEUED = Gauge("nbexec_queued", "Executions that wait for others to end")
FIRST_CELL = Histogram("nbexec_first_cell_seconds", "Seconds from a request to the start of its first cell",
                       buckets=_SECONDS)
EXECUTION = Histogram("nbexec_execution_seconds", "Seconds from the start of an execution to its end",
                      buckets=_SECONDS)
KERNEL_DEATHS = Counter("nbexec_kernel_deaths", "Kernels that have died under a running cell")
REFUSED = Counter("nbexec_refused", "Requests that were refused because there was too much to do, with status 429")
STREAMS = Gauge("nbexec_streams", "Event streams that are open now")
RETRIES = Counter("nbexec_retries", "Starts of a runner or of a kernel that were tried again")

for _state in ("completed", "error"):
    EXECUTIONS.labels(_state)  # shown from the start, as zero
