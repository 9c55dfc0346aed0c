"""Requests whose token may be in a form body that has not arrived yet.

They are not authenticated yet, so together they are limited in number, bytes and time. Beyond the limit, the oldest
is turned away. It belongs to the loop thread.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Callable

_MOST = 200  # requests
_MOST_BYTES = 4 << 20

TurnAway = Callable[[], None]


class Strangers:
    """Holds these requests in the order of their arrival, each by the function that turns it away."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[TurnAway, int] = OrderedDict()
        self._bytes = 0

    def hold(self, turn_away: TurnAway, size: int) -> None:
        """Count `size` more bytes of a request, and turn away the oldest requests beyond the limit."""
        self._sizes[turn_away] = self._sizes.get(turn_away, 0) + size
        self._bytes += size
        while len(self._sizes) > _MOST or self._bytes > _MOST_BYTES:
            oldest = next(iter(self._sizes))
            self.release(oldest)
            oldest()

    def release(self, turn_away: TurnAway) -> None:
        """Forget a request that has arrived completely, or is gone."""
        self._bytes -= self._sizes.pop(turn_away, 0)
