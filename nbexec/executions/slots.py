"""How many executions may run at once, and how many may wait for that.

It belongs to the loop thread. A slot is taken before anything is started, so that there are never more.
"""

from __future__ import annotations

import asyncio
import math
from typing import List

from ..errors import TooManyExecutionsError

_RETRY = 5.0  # seconds after which to ask again, as long as nothing is known of how long executions take
_WEIGHT = 0.2  # of the latest execution in the mean of their durations

Place = asyncio.Future  # in the line; done when it has a slot, or was given up


class Slots:
    """The places for executions that run.

    Parameters
    ----------
    limit : int
        How many there are; 0 is without limit.
    max_waiting : int
        How many may wait for one; a negative number is without limit.
    """

    def __init__(self, limit: int = 0, max_waiting: int = -1) -> None:
        self._limit = limit
        self._max_waiting = max_waiting
        self._line: List[Place[None]] = []
        self._mean_duration = _RETRY
        self.taken = 0

    def take(self) -> Place[None]:
        """Return a place that has a slot, or else the last one in the line for one.

        Who does not want to wait any more cancels the place, or gives it an exception.

        Raises
        ------
        TooManyExecutionsError
            Too many wait already.
        """
        place: Place[None] = asyncio.get_event_loop().create_future()
        waiting = self.waiting
        if not waiting and (self._limit == 0 or self.taken < self._limit):
            self._give(place)
        elif 0 <= self._max_waiting <= waiting:
            raise TooManyExecutionsError(self._limit, self._max_waiting, math.ceil(self._mean_duration))
        else:
            self._line.append(place)
        return place

    @property
    def waiting(self) -> int:
        """How many wait."""
        self._line = [place for place in self._line if not place.done()]
        return len(self._line)

    def position(self, place: Place[None]) -> int:
        """Return the position in the line, from 1."""
        return self._line.index(place) + 1 if self.waiting and place in self._line else 0

    def leave(self, place: Place[None], duration: float) -> None:
        """Give the place back, after `duration` seconds; if it had a slot, the first in line takes that at once."""
        if not has_slot(place):
            place.cancel()
            return
        self._mean_duration += _WEIGHT * (max(1.0, duration) - self._mean_duration)
        self.taken -= 1
        while self.waiting and self.taken < self._limit:
            self._give(self._line.pop(0))

    def _give(self, place: Place[None]) -> None:
        self.taken += 1
        place.set_result(None)


def has_slot(place: Place[None]) -> bool:
    """Whether a place has a slot."""
    return place.done() and not place.cancelled() and place.exception() is None
