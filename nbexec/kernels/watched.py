"""Waiting for several file descriptors at once, without polling.

While waiting for a kernel, a runner also serves the server's commands, which arrive at the watched descriptors.
"""

from __future__ import annotations

import time
from typing import Callable, Mapping

from ..readiness import readable

Watched = Mapping[int, Callable[[], None]]  # what to call when a descriptor becomes readable


def serve(watched: Watched, deadline: float) -> None:
    """Wait until a descriptor is readable, and call what belongs to it.

    Raises
    ------
    TimeoutError
        None was until `deadline` (monotonic seconds).
    """
    ready = readable([*watched], deadline - time.monotonic())
    if not ready:
        raise TimeoutError
    for descriptor in ready:
        watched[descriptor]()
