"""Runners that are kept ready, with a kernel each, for the executions to come.

A spare is used once. It is replaced a moment after the last start, so that replacing it does not slow down the
execution that has taken it.
"""

from __future__ import annotations

from typing import Awaitable, Callable, List, Optional

from tornado.ioloop import IOLoop

from .connection import Connection

_PAUSE = 0.3  # seconds without a start after which spares are made


class Spares:
    """A few runners that wait for a request.

    Parameters
    ----------
    make : callable
        Makes a spare; returns None if that is not possible now.
    number : int
        How many spares to keep.
    age : float
        Seconds after which an unused spare is replaced.
    """

    def __init__(self, make: Callable[[], Awaitable[Optional[Connection]]], number: int, age: float) -> None:
        self._make = make
        self._number = number
        self._age = age
        self._ready: List[Connection] = []
        self._timer: Optional[object] = None
        self._generation = 0

    def take(self) -> Optional[Connection]:
        """Return a spare, or None if there is none."""
        if self._number:
            self.refill_soon()
        while self._ready:
            connection = self._ready.pop(0)
            if not connection.lost:
                return connection
            connection.close()
        return None

    def refill_soon(self) -> None:
        """Make the missing spares once nothing has been started for a moment."""
        loop = IOLoop.current()
        if self._timer is not None:
            loop.remove_timeout(self._timer)
        self._timer = loop.call_later(_PAUSE, self._refill)

    async def _refill(self) -> None:
        generation = self._generation
        self._drop_lost()
        if len(self._ready) >= self._number:
            return
        connection = await self._make()
        if connection is None:
            return
        if generation != self._generation or len(self._ready) >= self._number:
            return connection.close()
        self._ready.append(connection)
        IOLoop.current().call_later(self._age, self._retire, connection)
        if len(self._ready) < self._number:
            self.refill_soon()

    def _drop_lost(self) -> None:
        for connection in [connection for connection in self._ready if connection.lost]:
            self._ready.remove(connection)
            connection.close()

    def _retire(self, connection: Connection) -> None:
        if connection in self._ready:
            self._ready.remove(connection)
            connection.close()
            self.refill_soon()

    def discard(self) -> None:
        """Discard all spares, because they are outdated."""
        self._generation += 1
        for connection in self._ready:
            connection.close()
        self._ready.clear()
