"""The answer to a request to start an execution."""

from __future__ import annotations

from typing import Callable, NamedTuple

from .event_log import LogReader


class StartedExecution(NamedTuple):
    """An execution that a request has started, now or when it came before.

    Parameters
    ----------
    exec_id : str
        The execution.
    path : str
        API path of its notebook.
    is_new : bool
        Whether it was started now, and not by the same request with the same key before.
    subscribe : callable
        Returns a reader of the events that the request is answered with.
    """

    exec_id: str
    path: str
    is_new: bool
    subscribe: Callable[..., LogReader]
