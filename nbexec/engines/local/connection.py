"""The server's end of the pipe to one runner.

It belongs to the loop thread, and never waits for a runner to read.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import AsyncIterator, Callable, Optional, Tuple, Union

from ...errors import RunnerDiedError
from ...protocol import HEAD_BYTES, BrokenMessageError, Hello, Message, pack, unpack, unpack_lengths

_BUFFER = 1 << 20  # bytes to read ahead
_WHOLE = 1 << 18  # bytes of a payload to read at once


async def connect(sock: socket.socket, on_end: Callable[[int], None],
                  on_close: Callable[[Connection], None]) -> Connection:
    """Return the connection over `sock`; a runner has its other end, or will get it.

    Parameters
    ----------
    sock : socket
        The server's end.
    on_end : callable
        Called with the pid of the runner when it is gone and its last message has been read.
    on_close : callable
        Called with the connection when it is closed. Until then the caller must keep a reference: the loop has none
        (https://github.com/python/cpython/issues/91887), and tasks that wait for the runner would vanish with it.
    """
    return Connection(sock, *await asyncio.open_connection(sock=sock, limit=_BUFFER), on_end, on_close)


class LargePayload:
    """A payload that is read in pieces, before anything else is read.

    Parameters
    ----------
    reader : StreamReader
        The source.
    size : int
        Its length in bytes.
    """

    def __init__(self, reader: asyncio.StreamReader, size: int) -> None:
        self._reader = reader
        self.left = size

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the rest.

        Raises
        ------
        EOFError
            The runner is gone before the end.
        """
        while self.left:
            piece = await self._reader.readexactly(min(self.left, _WHOLE))
            self.left -= len(piece)
            yield piece

    async def whole(self) -> bytes:
        """Return the rest."""
        return b"".join([piece async for piece in self.pieces()])


Payload = Union[bytes, LargePayload]
Frame = Tuple[Message, Payload]


async def whole(payload: Payload) -> bytes:
    """Return a payload of any size."""
    return payload if isinstance(payload, bytes) else await payload.whole()


async def read_frame(reader: asyncio.StreamReader) -> Optional[Frame]:
    """Return the next frame, or None when the other end is gone.

    Raises
    ------
    RunnerDiedError
        The other end sent something else, so it is of no use any more.
    """
    try:
        head_size, payload_size = unpack_lengths(await reader.readexactly(HEAD_BYTES))
        message = unpack(await reader.readexactly(head_size))
        if payload_size > _WHOLE:
            return message, LargePayload(reader, payload_size)
        return message, await reader.readexactly(payload_size) if payload_size else b""
    except (asyncio.IncompleteReadError, OSError):
        return None
    except BrokenMessageError as error:
        raise RunnerDiedError(f"the runner process sent a message that cannot be read: {error}") from error


class Connection:
    """The server's end of the pipe to one runner."""

    worker: Optional[str] = None  # the name of the worker that the runner is on; none if it is on this machine
    tells_all = True  # when the runner is gone, everything that it has sent was read

    def __init__(self, sock: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                 on_end: Callable[[int], None], on_close: Callable[[Connection], None]) -> None:
        self._sock = sock
        self._reader = reader
        self._writer = writer
        self._on_end = on_end
        self._on_close = on_close
        self.pid: Optional[int] = None  # known after its hello
        self._was_asked = False
        self._has_answered = False

    def send(self, message: Message, payload: bytes = b"") -> None:
        """Send a request or a command; if the runner is gone, reading will show it."""
        self._was_asked = True
        self._writer.write(pack(message, len(payload)))
        self._writer.write(payload)

    @property
    def lost(self) -> bool:
        """Whether the runner is gone."""
        return self._reader.at_eof()

    @property
    def is_waited_for(self) -> bool:
        """Whether a hello or an answer of the runner is due."""
        is_due = self._was_asked or self.pid is None
        return is_due and not self._has_answered and not self._writer.is_closing()

    async def hello(self) -> bool:
        """Wait for the hello of the runner; return whether it came."""
        frame = await self._receive()
        if frame is None or not isinstance(frame[0], Hello):
            self.close()
            return False
        self.pid = frame[0].pid
        return True

    async def messages(self) -> AsyncIterator[Frame]:
        """Yield the messages of the runner, until it and its kernel are gone."""
        try:
            while True:
                frame = await self._receive()
                if frame is None:
                    break
                if isinstance(frame[0], Hello):
                    self.pid = frame[0].pid
                else:
                    self._has_answered = True
                    yield frame
                if isinstance(frame[1], LargePayload):
                    await self._drop(frame[1])
        finally:
            self.close()
        if self.pid is not None:
            self._on_end(self.pid)

    async def _receive(self) -> Optional[Frame]:
        return await read_frame(self._reader)

    async def _drop(self, payload: LargePayload) -> None:
        """Skip a payload that nobody has read, to get to the next frame."""
        try:
            async for _ in payload.pieces():
                pass
        except (EOFError, OSError):
            pass  # the next read shows that the runner is gone

    def close(self) -> None:
        """Close the connection; a runner that waits for a request exits."""
        self._writer.close()
        self._on_close(self)

    def let_go(self) -> None:
        """Make the runner save and exit, and still read what it says."""
        with suppress(OSError):  # it is gone already
            self._writer.write_eof()

    def hang_up(self) -> None:
        """Make the runner save and exit; works without a running loop."""
        try:
            self._writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already

    def abandon(self) -> None:
        """Close the socket in a forked process only; the parent goes on using it."""
        self._sock.close()

    def kill(self) -> None:
        """Kill a runner that does not exit; the fork server cleans up after it."""
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
