"""Runners that are kept ready, with a kernel each, for the executions to come.

A spare is used once. It is made when nobody is in a hurry: a little while after the last one was taken, so that
making it does not slow down what it is for.
"""

from __future__ import annotations

from typing import Awaitable, Callable, List, Optional

from tornado.ioloop import IOLoop

from .connection import Connection

_PAUSE = 0.3  # seconds without a start after which spares are made


class Spares:
    """A few runners in waiting.

    Parameters
    ----------
    make : callable
        Makes one; it gives None when that is not possible now.
    number : int
        How many there are to be.
    age : float
        Seconds after which one is made anew.
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
        """Make what is missing, as soon as nothing has been started for a little while."""
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
        """Let all spares go, because they are not what new ones would be."""
        self._generation += 1
        for connection in self._ready:
            connection.close()
        self._ready.clear()
