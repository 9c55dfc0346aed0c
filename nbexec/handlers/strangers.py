"""Requests that may have their token in a form which is still on its way.

Nobody knows yet whether they may be here at all, so all of them together are bounded: in number, in bytes and in time.
Who comes last is served; who has been waiting longest has to go. It belongs to the loop thread.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Callable

_MOST = 200  # requests
_MOST_BYTES = 4 << 20

TurnAway = Callable[[], None]


class Strangers:
    """Those requests, in the order in which they came; each is known by what turns it away."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[TurnAway, int] = OrderedDict()
        self._bytes = 0

    def hold(self, turn_away: TurnAway, size: int) -> None:
        """Take `size` more bytes of a request in, which is turned away if it is in the way of others."""
        self._sizes[turn_away] = self._sizes.get(turn_away, 0) + size
        self._bytes += size
        while len(self._sizes) > _MOST or self._bytes > _MOST_BYTES:
            oldest = next(iter(self._sizes))
            self.release(oldest)
            oldest()

    def release(self, turn_away: TurnAway) -> None:
        """Forget a request, which is here as a whole, or gone."""
        self._bytes -= self._sizes.pop(turn_away, 0)
