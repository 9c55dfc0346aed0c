"""Slots: how many executions may run at once, and how many may wait for one.

It belongs to the loop thread. A slot is taken before anything is started, so the limit is never exceeded.
"""

from __future__ import annotations

import asyncio
import math
from typing import List, Optional

from ..errors import TooManyExecutionsError

_RETRY = 5.0  # seconds that a refused client is told to wait until the first execution has shown how long one takes
_WEIGHT = 0.2  # of the latest execution in the mean duration

Ticket = asyncio.Future  # done when it has a slot, or was given up


class Slots:
    """The slots of a server.

    Parameters
    ----------
    limit : int
        The number of slots; 0 means no limit.
    max_waiting : int
        How many may wait for a slot; a negative number means no limit.
    """

    def __init__(self, limit: int = 0, max_waiting: int = -1) -> None:
        self._limit: Optional[int] = limit or None
        self._max_waiting = max_waiting
        self._line: List[Ticket[None]] = []
        self._mean_duration = _RETRY
        self.taken = 0

    def resize(self, limit: int) -> None:
        """Have another number of slots, which may be none; those that are taken stay taken."""
        self._limit = limit
        self._serve()

    @property
    def _are_taken(self) -> bool:
        return self._limit is not None and self.taken >= self._limit

    def take(self) -> Ticket[None]:
        """Return a ticket that has a slot, or is the last in the line for one.

        To stop waiting, cancel the ticket or set an exception on it.

        Raises
        ------
        TooManyExecutionsError
            Too many are waiting already.
        """
        ticket: Ticket[None] = asyncio.get_event_loop().create_future()
        waiting = self.waiting
        if not waiting and not self._are_taken:
            self._give(ticket)
        elif 0 <= self._max_waiting <= waiting:
            raise TooManyExecutionsError(self._limit or 0, self._max_waiting, math.ceil(self._mean_duration))
        else:
            self._line.append(ticket)
        return ticket

    @property
    def waiting(self) -> int:
        """The number of waiting tickets."""
        self._line = [ticket for ticket in self._line if not ticket.done()]
        return len(self._line)

    def position(self, ticket: Ticket[None]) -> int:
        """Return the position of a ticket in the line, from 1; 0 if it is not waiting."""
        return self._line.index(ticket) + 1 if self.waiting and ticket in self._line else 0

    def leave(self, ticket: Ticket[None], duration: float) -> None:
        """Give a ticket back; its slot, held for `duration` seconds, goes to the first in the line at once."""
        if not has_slot(ticket):
            ticket.cancel()
            return
        self._mean_duration += _WEIGHT * (max(1.0, duration) - self._mean_duration)
        self.taken -= 1
        self._serve()

    def _serve(self) -> None:
        while self.waiting and not self._are_taken:
            self._give(self._line.pop(0))

    def _give(self, ticket: Ticket[None]) -> None:
        self.taken += 1
        ticket.set_result(None)


def has_slot(ticket: Ticket[None]) -> bool:
    """Whether a ticket has a slot."""
    return ticket.done() and not ticket.cancelled() and ticket.exception() is None
