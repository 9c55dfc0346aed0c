"""A sign of life on a stream that has nothing to tell, for the proxies that cut silent connections.

What is waited for is never cancelled by a beat, so that no event is lost between two of them.
"""

from __future__ import annotations

import asyncio
from typing import Awaitable, Callable, Optional, TypeVar

T = TypeVar("T")
EMPTY_LINE = b"\n"  # who reads line by line passes over it


class Heartbeat:
    """Beats while somebody waits.

    Parameters
    ----------
    seconds : float, optional
        How long it may be silent; None is for ever.
    beat : callable
        Says that the server is still there.
    """

    def __init__(self, seconds: Optional[float], beat: Callable[[], Awaitable[None]]) -> None:
        self._seconds = seconds
        self._beat = beat

    async def during(self, awaitable: Awaitable[T]) -> T:
        """Return what `awaitable` gives, and beat until then."""
        if self._seconds is None:
            return await awaitable
        future = asyncio.ensure_future(awaitable)
        try:
            while not (await asyncio.wait([future], timeout=self._seconds))[0]:
                await self._beat()
            return future.result()
        finally:
            future.cancel()  # the client has gone; otherwise it is done
