"""Answers that go on as long as there is something to tell.

A stream reads what somebody else keeps for it, one event at a time, and takes the next one when its client has taken
the last.
"""

from __future__ import annotations

from functools import partial
from typing import Optional, Protocol, Union

from tornado.iostream import StreamClosedError

from .api_handler import ExecutionAPIHandler
from .event_log import Numbered
from .events import name_of
from .heartbeat import EMPTY_LINE, Heartbeat

NDJSON = "application/x-ndjson"


class Lines:
    """Events as lines of JSON."""

    content_type = NDJSON
    heartbeat = EMPTY_LINE

    def encode(self, number: int, line: bytes) -> bytes:
        """Return an event as it is sent."""
        return line


class ServerSentEvents:
    """Events as browsers read them by themselves; see "Server-sent events" in the HTML standard."""

    content_type = "text/event-stream"
    heartbeat = b": \n\n"

    def encode(self, number: int, line: bytes) -> bytes:
        """Return an event as it is sent; one without a number does not count when it is gone on from there."""
        head = f"id: {number}\n" if number else ""
        return f"{head}event: {name_of(line)}\ndata: ".encode("ascii") + line + b"\n"


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
        try:
            if hello:
                await beat()
            while True:
                event = await beats.during(reader.next())
                if event is None:
                    break
                await self._send(form.encode(*event))
            await self.finish()
            if self.request.version == "HTTP/1.0":  # nothing else tells it where the stream ends
                self.request.connection.close()  # type: ignore[union-attr]
        except StreamClosedError:
            pass  # the client is gone
        finally:
            await reader.close()

    async def _send(self, data: bytes) -> None:
        self.write(data)
        await self.flush()

    def on_connection_close(self) -> None:
        """Stop reading for a client that is gone; called by tornado."""
        if self._reader is not None:
            self._reader.stop()
        super().on_connection_close()
