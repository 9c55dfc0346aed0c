"""Waiting for several file descriptors at once, without polling.

While waiting for a kernel, a runner also serves the server's commands, which arrive at the watched descriptors.
"""

from __future__ import annotations

import select
import time
from typing import Callable, Mapping

Watched = Mapping[int, Callable[[], None]]  # what to call when a descriptor becomes readable


def serve(watched: Watched, deadline: float) -> None:
    """Wait until a descriptor is readable, and call what belongs to it.

    Raises
    ------
    TimeoutError
        None was until `deadline` (monotonic seconds).
    """
    readable = select.select([*watched], [], [], max(0.0, deadline - time.monotonic()))[0]
    if not readable:
        raise TimeoutError
    for descriptor in readable:
        watched[descriptor]()
