"""The connection between the bridge and a runner's worker: bytes in both directions, and a few words.

Writing to a connection of Dask does not wait until the other end reads. So each end acknowledges what it has passed
on, and neither sends more than a window ahead.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, AsyncIterator, Tuple

from distributed.comm import CommClosedError

_WINDOW = 1 << 20  # bytes that may be under way
_DATA, _TAKEN, _PING = "data", "taken", "ping"
_PING_EVERY = 8.0  # seconds
_SILENCE = 28.0  # seconds without a sign of life after which the other end counts as lost


class ChannelLostError(ConnectionError):
    """The other end is gone, or cannot be reached any more."""


class Channel:
    """One end of the connection.

    Parameters
    ----------
    comm : Comm
        The connection of Dask.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._pings = asyncio.ensure_future(self._ping())

    async def send(self, data: bytes) -> None:
        """Send bytes as soon as the other end has taken most of those before.

        Raises
        ------
        ChannelLostError
            It is gone.
        """
        await self._has_room.wait()
        self._under_way += len(data)
        if self._under_way >= _WINDOW:
            self._has_room.clear()
        await self.say(_DATA, data)

    async def say(self, word: str, more: Any = None) -> None:
        """Send a word.

        Raises
        ------
        ChannelLostError
            The other end is gone.
        """
        try:
            async with self._turn:
                await self._comm.write([word, more])
        except (CommClosedError, OSError) as error:
            raise ChannelLostError("the connection was closed") from error

    async def data(self) -> AsyncIterator[Tuple[bytes, Tuple[str, Any]]]:
        """Yield bytes, each with no word, and words, each with no bytes; bytes are acknowledged once they are used.

        Raises
        ------
        ChannelLostError
            The other end is gone.
        """
        while True:
            word, more = await self._receive()
            if word == _TAKEN:
                self._under_way -= more
                if self._under_way < _WINDOW:
                    self._has_room.set()
            elif word == _DATA:
                yield bytes(more), ("", None)
                await self.say(_TAKEN, len(more))
            elif word != _PING:
                yield b"", (word, more)

    async def _receive(self) -> Tuple[str, Any]:
        try:
            word, more = await asyncio.wait_for(self._comm.read(), _SILENCE)
        except asyncio.TimeoutError:
            raise ChannelLostError(f"it gave no sign of life for {_SILENCE:.0f} seconds") from None
        except (CommClosedError, OSError) as error:
            raise ChannelLostError("the connection was closed") from error
        return word, more

    async def _ping(self) -> None:
        with suppress(ChannelLostError):
            while True:
                await asyncio.sleep(_PING_EVERY)
                await self.say(_PING)

    async def close(self) -> None:
        """Close it, once what was sent is on its way."""
        self._pings.cancel()
        self._has_room.set()  # whoever waits finds out
        with suppress(CommClosedError, OSError):
            await self._comm.close()

    def abort(self) -> None:
        """Close it at once."""
        self._pings.cancel()
        self._has_room.set()
        self._comm.abort()
