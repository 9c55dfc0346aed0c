"""The exit codes of the command line.

Scripts rely on them. In particular, 1 only ever means that a cell failed, whatever else may go wrong.
"""

from __future__ import annotations

from typing import Optional

from ..events import NOTEBOOK_COMPLETE, Event

COMPLETED = 0
FAILED = 1  # a cell raised an exception; with `doctor`, there is a problem
NOT_RUN = 2  # also click's code for wrong usage
UNKNOWN = 3  # it was started, but the result is unknown
NOT_WRITTEN = 4  # it ran, but the output notebook or the result could not be written
TIMED_OUT = 5
KERNEL_DIED = 6
SHUT_DOWN = 7  # by somebody else
NO_SERVER = 8
SIGNALLED = 128  # plus the number of the signal

_BY_KIND = {
    "cell_failed": FAILED,
    "cell_timeout": TIMED_OUT,
    "run_timeout": TIMED_OUT,
    "kernel_died": KERNEL_DIED,
    "kernel_not_started": NOT_RUN,
    "stopped": SHUT_DOWN,
    "server_gone": SHUT_DOWN,
    "not_a_notebook": NOT_RUN,
    "output_not_written": NOT_WRITTEN,
    "failed": UNKNOWN,
}


def code_for(final: Event) -> int:
    """Return the exit code for the last event of an execution."""
    if final["event"] == NOTEBOOK_COMPLETE:
        return COMPLETED
    if "ename" in final:
        return FAILED
    return _BY_KIND.get(final.get("kind", ""), _code_without_kind(final))


def _code_without_kind(final: Event) -> int:
    """Return the exit code for the last event that an older server has sent."""
    model = final.get("execution", {})
    if "execution" in final and model.get("progress") is None:
        return NOT_RUN
    output: Optional[str] = final.get("output_path") or model.get("output_path")
    return NOT_WRITTEN if output is None else FAILED
