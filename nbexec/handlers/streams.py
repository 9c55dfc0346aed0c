"""Answers that go on as long as there is something to tell.

A stream reads what somebody else keeps for it, one event at a time, and takes the next one when its client has taken
the last.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Iterator, Optional, Protocol, Tuple, Union

from tornado.iostream import StreamClosedError

from ..events import name_of
from ..executions import metrics
from ..executions.event_log import Line, Numbered, pieces_of, size_of
from .base import ExecutionAPIHandler
from .heartbeat import EMPTY_LINE, Heartbeat

_START = 200  # bytes of an event that have its name
_SMALL = 1 << 16  # bytes of an event that are sent as a whole
NDJSON = "application/x-ndjson"


class Lines:
    """Events as lines of JSON."""

    content_type = NDJSON
    heartbeat = EMPTY_LINE

    def around(self, number: int, start: bytes) -> Tuple[bytes, bytes]:
        """Return what stands before and after the line of an event that starts like this."""
        return b"", b""


class ServerSentEvents:
    """Events as browsers read them by themselves; see "Server-sent events" in the HTML standard."""

    content_type = "text/event-stream"
    heartbeat = b": \n\n"

    def around(self, number: int, start: bytes) -> Tuple[bytes, bytes]:
        """Do so; an event without a number does not count when it is gone on from there."""
        head = f"id: {number}\n" if number else ""
        return f"{head}event: {name_of(start)}\ndata: ".encode("ascii"), b"\n"


LINES = Lines()
SERVER_SENT_EVENTS = ServerSentEvents()


class Reader(Protocol):
    """What a stream reads."""

    async def next(self) -> Optional[Numbered]:
        """Return the next event with its number, or None if there are no more."""

    def stop(self) -> None:
        """Let who waits for the next event know that there are no more."""

    async def close(self) -> None:
        """Read no more."""


class StreamHandler(ExecutionAPIHandler):
    """A route that can answer with a stream."""

    _reader: Optional[Reader] = None

    async def stream(self, reader: Reader, heartbeat: Optional[float], form: Union[Lines, ServerSentEvents],
                     hello: bool = False) -> None:
        """Answer with each event as it happens; each is one chunk.

        Parameters
        ----------
        reader : Reader
            Where the events come from.
        heartbeat : float, optional
            Seconds after which a silent stream gives a sign of life.
        form : Lines or ServerSentEvents
            What they look like.
        hello : bool
            Whether the first sign of life comes at once.
        """
        self._reader = reader
        self.set_header("Content-Type", form.content_type)
        self.set_header("X-Accel-Buffering", "no")
        beat = partial(self._send, form.heartbeat)
        beats = Heartbeat(heartbeat, beat)
        metrics.STREAMS.inc()
        try:
            if hello:
                await beat()
            while True:
                event = await beats.during(reader.next())
                if event is None:
                    break
                await self._send_event(form, *event)
            await self.finish()
            if self.request.version == "HTTP/1.0":  # nothing else tells it where the stream ends
                self.request.connection.close()  # type: ignore[union-attr]
        except StreamClosedError:
            pass  # the client is gone
        finally:
            metrics.STREAMS.dec()
            await reader.close()

    async def _send(self, data: bytes) -> None:
        self.write(data)
        await self.flush()

    async def _send_event(self, form: Union[Lines, ServerSentEvents], number: int, line: Line) -> None:
        pieces = pieces_of(line)
        first = next(pieces)
        head, tail = form.around(number, first[:_START])
        size = len(head) + size_of(line) + len(tail)
        if size <= _SMALL:
            return await self._send(head + first + tail)
        await self._send_large(size, chain([head, first], pieces, [tail]))

    async def _send_large(self, size: int, pieces: Iterator[bytes]) -> None:
        """Send one chunk so that nothing is copied, and no more than one piece of it is held for a slow client."""
        await self.flush()  # the head of the answer
        stream = self.request.connection.stream  # type: ignore[union-attr]
        is_chunked = self.request.version != "HTTP/1.0"
        frame = (b"%x\r\n" % size, b"\r\n") if is_chunked else (b"", b"")
        for piece in chain(frame[:1], pieces, frame[1:]):
            if piece:
                await stream.write(piece)

    def on_connection_close(self) -> None:
        """Stop reading for a client that is gone; called by tornado."""
        if self._reader is not None:
            self._reader.stop()
        super().on_connection_close()
