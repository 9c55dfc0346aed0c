"""How long a client goes on with connections that break, and what it asks for so that they do not."""

from __future__ import annotations

import time
from typing import Optional

_DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before each new attempt, while none is of use
_STEADY = 10.0  # seconds; a connection that gave signs of life for as long was of use even if it brought nothing
_HEARTBEAT = 15.0  # seconds, a quarter of what a proxy usually takes for too long
_SHORTEST_HEARTBEAT = 1.0


class Patience:
    """Counts the connections of one stream that were of no use.

    Attributes
    ----------
    heartbeat : float
        Seconds after which the server is asked for a sign of life. It becomes shorter when a connection is cut while
        it is silent, because that is what proxies with a time-out do.
    """

    def __init__(self) -> None:
        self.heartbeat = _HEARTBEAT
        self._failures = 0
        self._opened = self._heard = time.monotonic()

    def opened(self) -> None:
        """Take note that a connection is begun."""
        self._opened = self._heard = time.monotonic()

    def heard(self) -> None:
        """Take note that something came, be it a sign of life."""
        self._heard = time.monotonic()

    def progressed(self) -> None:
        """Take note of an event."""
        self._failures = 0

    def next_delay(self) -> Optional[float]:
        """Return how long to wait before the next connection, now that one broke; None to give up."""
        now = time.monotonic()
        if self._heard - self._opened >= _STEADY:
            self._failures = 0
        silence = now - self._heard
        if _SHORTEST_HEARTBEAT < silence < 2 * self.heartbeat:
            self.heartbeat = max(_SHORTEST_HEARTBEAT, min(self.heartbeat, silence / 2))
        self._failures += 1
        return _DELAYS[self._failures - 1] if self._failures <= len(_DELAYS) else None
