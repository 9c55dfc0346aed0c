"""Answers that are streams of events.

A stream reads one event at a time, and takes the next when its client has received the last.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Iterator, Optional, Protocol, Tuple, Union

from tornado.iostream import StreamClosedError

from ..executions import metrics
from ..executions.event_log import LoggedEvent, pieces_of, size_of
from .base import ExecutionAPIHandler
from .heartbeat import EMPTY_LINE, Heartbeat

_SMALL = 1 << 16  # bytes; a longer event is sent in pieces
NDJSON = "application/x-ndjson"


class Lines:
    """Events as lines of JSON."""

    content_type = NDJSON
    heartbeat = EMPTY_LINE

    def around(self, event: LoggedEvent) -> Tuple[bytes, bytes]:
        """Return what stands before and after the line of an event."""
        return b"", b""


class ServerSentEvents:
    """Events for the EventSource of browsers; see "Server-sent events" in the HTML standard."""

    content_type = "text/event-stream"
    heartbeat = b": \n\n"

    def around(self, event: LoggedEvent) -> Tuple[bytes, bytes]:
        """Return what stands before and after the line of an event; browsers resume after the last id."""
        head = f"id: {event.number}\n" if event.number else ""
        return f"{head}event: {event.name}\ndata: ".encode("ascii"), b"\n"


LINES = Lines()
SERVER_SENT_EVENTS = ServerSentEvents()


class Reader(Protocol):
    """The source of a stream."""

    async def next(self) -> Optional[LoggedEvent]:
        """Return the next event, or None if there are no more."""

    def stop(self) -> None:
        """End the waiting for the next event: there are no more."""

    async def close(self) -> None:
        """Stop reading."""


class StreamHandler(ExecutionAPIHandler):
    """A route that can answer with a stream."""

    _reader: Optional[Reader] = None

    async def stream(self, reader: Reader, heartbeat: Optional[float], form: Union[Lines, ServerSentEvents],
                     hello: bool = False) -> None:
        """Answer with the events as they happen, each as one chunk.

        Parameters
        ----------
        reader : Reader
            The source of the events.
        heartbeat : float, optional
            Seconds of silence after which to send a heartbeat.
        form : Lines or ServerSentEvents
            The format.
        hello : bool
            Whether to send the first heartbeat at once.
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
                await self._send_event(form, event)
            await self.finish()
            if self.request.version == "HTTP/1.0":  # which marks the end of the stream
                self.request.connection.close()  # type: ignore[union-attr]
        except StreamClosedError:
            pass  # the client is gone
        finally:
            metrics.STREAMS.dec()
            await reader.close()

    async def _send(self, data: bytes) -> None:
        self.write(data)
        await self.flush()

    async def _send_event(self, form: Union[Lines, ServerSentEvents], event: LoggedEvent) -> None:
        pieces = pieces_of(event.line)
        first = next(pieces)
        head, tail = form.around(event)
        size = len(head) + size_of(event.line) + len(tail)
        if size <= _SMALL:
            return await self._send(head + first + tail)
        await self._send_large(size, chain([head, first], pieces, [tail]))

    async def _send_large(self, size: int, pieces: Iterator[bytes]) -> None:
        """Send one chunk without copying it, holding at most one piece of it for a slow client."""
        await self.flush()  # sends the headers
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
