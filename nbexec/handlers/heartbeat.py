"""Heartbeats on a silent stream, for proxies that cut silent connections.

A beat never cancels what is being awaited, so no event is lost between two beats.
"""

from __future__ import annotations

import asyncio
from typing import Awaitable, Callable, Optional, TypeVar

T = TypeVar("T")
EMPTY_LINE = b"\n"  # readers of lines skip it


class Heartbeat:
    """Beats during a wait.

    Parameters
    ----------
    seconds : float, optional
        The longest silence; None for any.
    beat : callable
        Sends a heartbeat.
    """

    def __init__(self, seconds: Optional[float], beat: Callable[[], Awaitable[None]]) -> None:
        self._seconds = seconds
        self._beat = beat

    async def during(self, awaitable: Awaitable[T]) -> T:
        """Return the result of `awaitable`, and beat until then."""
        if self._seconds is None:
            return await awaitable
        future = asyncio.ensure_future(awaitable)
        try:
            while not (await asyncio.wait([future], timeout=self._seconds))[0]:
                await self._beat()
            return future.result()
        finally:
            future.cancel()  # the client has gone; otherwise it is done
