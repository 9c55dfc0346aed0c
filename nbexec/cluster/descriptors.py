"""How many files and connections a process of the cluster may have open at once."""

from __future__ import annotations

import resource

_OF_DASK = 64  # that Dask needs on a worker
_OF_RUN = 3  # that each execution needs there


def raise_limit() -> None:
    """Take as many as the system allows; the limit with which processes begin is often too low for 500 executions."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def missing(slots: int) -> str:
    """Return in words that a worker may have too few for its slots; an empty string if it has enough."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = _OF_DASK + _OF_RUN * slots
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ""
    return f"it may have {soft} files open (ulimit -n), and needs {needed} for {slots} slots"
