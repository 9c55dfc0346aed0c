"""Waits that a signal ends soon, whenever it arrives.

A signal that arrives just before a wait begins does not interrupt it, and Python runs its handler only after that
wait. So whoever may be waiting in the main thread never waits for long at a time.
"""

from __future__ import annotations

import math
import queue
import time
from concurrent.futures import Future, wait
from typing import Any, Optional, TypeVar

LONGEST_WAIT = 0.5  # seconds
T = TypeVar("T")


def next_item(items: queue.SimpleQueue[Any], timeout: Optional[float] = None) -> Any:
    """Return the next item of a queue.

    Parameters
    ----------
    items : queue.SimpleQueue
        The queue.
    timeout : float, optional
        Maximum seconds to wait; by default there is no limit.

    Raises
    ------
    queue.Empty
        There was no item in time.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            return items.get(timeout=min(left, LONGEST_WAIT))
        except queue.Empty:
            if left <= LONGEST_WAIT:
                raise


def result_of(future: Future[T]) -> T:
    """Return the result of a future, or raise its exception, when it is done."""
    while not future.done():
        wait([future], LONGEST_WAIT)
    return future.result()
