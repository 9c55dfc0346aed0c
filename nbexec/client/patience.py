"""Decides how often a client reconnects, and which heartbeat it requests."""

from __future__ import annotations

import time
from typing import Optional

_DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before each attempt, as long as none makes progress
_STEADY = 10.0  # seconds; a connection that was alive for that long counts as useful even without an event
_HEARTBEAT = 15.0  # seconds, a quarter of the usual time-out of a proxy
_SHORTEST_HEARTBEAT = 1.0


class Patience:
    """Counts the consecutive connections of a stream that made no progress.

    Attributes
    ----------
    heartbeat : float
        Seconds of the heartbeat to request. It becomes shorter when a silent connection is cut, because that is what
        proxies with a time-out do.
    """

    def __init__(self) -> None:
        self.heartbeat = _HEARTBEAT
        self._failures = 0
        self._opened = self._heard = time.monotonic()

    def opened(self) -> None:
        """Note that a connection is being opened."""
        self._opened = self._heard = time.monotonic()

    def heard(self) -> None:
        """Note that data arrived, even if only a heartbeat."""
        self._heard = time.monotonic()

    def progressed(self) -> None:
        """Note that an event arrived."""
        self._failures = 0

    def next_delay(self) -> Optional[float]:
        """Return the seconds to wait before reconnecting after a lost connection; None to give up."""
        now = time.monotonic()
        if self._heard - self._opened >= _STEADY:
            self._failures = 0
        silence = now - self._heard
        if _SHORTEST_HEARTBEAT < silence < 2 * self.heartbeat:
            self.heartbeat = max(_SHORTEST_HEARTBEAT, min(self.heartbeat, silence / 2))
        self._failures += 1
        return _DELAYS[self._failures - 1] if self._failures <= len(_DELAYS) else None
