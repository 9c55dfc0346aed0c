"""The events of one execution, kept for its readers, however slow they are.

A reader's queue holds references, not lines: beyond a small amount, lines are in a temporary file, which is written
and read in pieces. So a reader that never reads costs next to nothing. It belongs to the loop thread.
"""

from __future__ import annotations

import logging
import os
import tempfile
from typing import IO, AsyncIterator, Callable, Iterator, List, NamedTuple, Optional, Union

from tornado.queues import Queue

from .. import events
from ..engines.local.connection import LargePayload, Payload
from ..processes import POSIX

_log = logging.getLogger("nbexec")
_MEMORY = 1 << 20  # bytes of one execution to keep in memory
_PIECE = 1 << 17  # bytes to read or write at once; more would hold up the loop
_OUTPUTS = 8  # that may wait for one reader; a slower one is shown the whole output again later
_OUTPUT_BYTES = 1 << 18  # of those together, not counting the last


class FiledLine(NamedTuple):
    """A line in the file of its log; it is never in memory as a whole.

    Parameters
    ----------
    descriptor : int
        The file, open as long as the log has readers.
    position, size : int
        Its offset in the file, and its length.
    """

    descriptor: int
    position: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yield the line in pieces."""
        position, end = self.position, self.position + self.size
        while position < end:
            piece = os.pread(self.descriptor, min(_PIECE, end - position), position)
            if not piece:
                raise EOFError("the temporary file of the events was cut")
            yield piece
            position += len(piece)


Line = Union[bytes, FiledLine]


class LoggedEvent(NamedTuple):
    """An event as its readers get it.

    Parameters
    ----------
    number : int
        Its number; 0 for events without one, such as the output of a running cell.
    name : str
        The name of the event.
    line : bytes or FiledLine
        The event as one line of JSON.
    """

    number: int
    name: str
    line: Line


def pieces_of(line: Line) -> Iterator[bytes]:
    """Yield a line in pieces; a line in memory is shared by its readers."""
    return iter([line]) if isinstance(line, bytes) else line.pieces()


def size_of(line: Line) -> int:
    """Return the length of a line in bytes."""
    return len(line) if isinstance(line, bytes) else line.size


class EventLog:
    """The events of one execution, in order.

    Parameters
    ----------
    watch : callable
        Called with True when a reader wants the whole output of the running cell, and with False when none does.
    """

    def __init__(self, watch: Callable[[bool], None] = lambda _: None) -> None:
        self._watch = watch
        self._entries: List[LoggedEvent] = []
        self._readers: List[LogReader] = []
        self._closed = False
        self._in_memory = 0
        self._released = False
        self._file: Optional[IO[bytes]] = None
        self._file_size = 0
        self._file_failed = not POSIX

    async def append(self, name: str, line: Payload, number: Optional[int] = None) -> None:
        """Number an event, keep it and pass it on, without waiting for the readers. One event at a time.

        An event that arrives only in part, because its runner is gone, is dropped.

        Parameters
        ----------
        name : str
            The name of the event.
        line : bytes or LargePayload
            The event as one line of JSON, without a number.
        number : int, optional
            Its number; by default the one after that of the last event.
        """
        number = number or self.last_number + 1
        try:
            kept = await self._keep(_numbered(number, line)) if isinstance(line, LargePayload) else (
                await self._keep_small(events.numbered(number, line)))
        except EOFError:
            return
        event = LoggedEvent(number, name, kept)
        self._entries.append(event)
        for reader in self._readers:
            reader.put(event)

    @property
    def has_cells(self) -> bool:
        """Whether any cell has started."""
        return any(event.name == events.CELL_START for event in self._entries)

    def cell_lines(self) -> bytes:
        """Return the events of the cells that have ended, and of the last one that has started, as lines."""
        last = [event for event in self._entries if event.name == events.CELL_START][-1:]
        wanted = [event for event in self._entries if event.name == events.CELL_END or event in last]
        return b"".join(piece for event in wanted for piece in pieces_of(event.line))

    @property
    def last_number(self) -> int:
        """The number of the last event so far; 0 if there is none."""
        return self._entries[-1].number if self._entries else 0

    def show(self, line: bytes, whole: bool) -> None:
        """Pass output of the running cell on to the readers that want it; it is not kept.

        Parameters
        ----------
        line : bytes
            The event.
        whole : bool
            Whether it makes sense without the output before it.
        """
        for reader in self._readers:
            reader.put_output(line, whole)

    def close(self) -> None:
        """Tell the readers that there are no more events."""
        self._closed = True
        for reader in self._readers:
            reader.stop()

    def subscribe(self, since: int = 0, outputs: bool = False, first: Optional[LoggedEvent] = None) -> LogReader:
        """Return a reader of the events after number `since`, including those to come.

        Parameters
        ----------
        since : int
            The number of an event; 0 for all events.
        outputs : bool
            Whether to include the output of running cells.
        first : LoggedEvent, optional
            An event to read before all others.
        """
        reader = LogReader(self, since, outputs)
        if first is not None:
            reader.put_first(first)
        for event in self._entries:
            reader.put(event)
        if self._closed:
            reader.stop()
        self._readers.append(reader)
        if outputs:
            self._watch(True)
        return reader

    def unsubscribe(self, reader: LogReader) -> None:
        """Pass nothing more on to this reader."""
        if reader in self._readers:
            self._readers.remove(reader)
            if reader.outputs and not self.is_watched:
                self._watch(False)
            self._close_file()

    def release(self) -> None:
        """Keep the events only as long as the current readers need them."""
        self._released = True
        self._close_file()

    def _close_file(self) -> None:
        if self._released and not self._readers and self._file is not None:
            self._file.close()

    def is_over(self, since: int) -> bool:
        """Whether there is no event after number `since`, and there will be none."""
        return self._closed and since >= self.last_number

    @property
    def is_watched(self) -> bool:
        """Whether any reader wants the output of running cells."""
        return any(reader.outputs for reader in self._readers)

    def ask(self) -> None:
        """Ask for the whole output of the running cell once more."""
        self._watch(True)

    async def _keep_small(self, line: bytes) -> Line:
        if self._in_memory + len(line) <= _MEMORY:
            return self._remember(line)
        return await self._keep(_once(line))

    def _remember(self, line: bytes) -> bytes:
        self._in_memory += len(line)
        return line

    async def _keep(self, pieces: AsyncIterator[bytes]) -> Line:
        """Write a line to the file as it arrives; what cannot be written is kept in memory."""
        begin = end = self._file_size
        written, rest = True, b""
        async for piece in pieces:
            written = written and self._write(piece, end)
            if written:
                end += len(piece)
            else:
                rest += piece
        if written:
            self._file_size = end
            return FiledLine(self._descriptor, begin, end - begin)
        return self._remember(b"".join(FiledLine(self._descriptor, begin, end - begin).pieces()) + rest)

    def _write(self, data: bytes, position: int) -> bool:
        """Write to the file; return whether it worked."""
        if self._file_failed:
            return False
        try:
            self._file = self._file or tempfile.TemporaryFile(prefix="nbexec-events-", buffering=0)
            _write(self._descriptor, data, position)
        except OSError as error:
            self._file_failed = True
            _log.warning("Keeping events of an execution in memory, because no temporary file can be written: %s.",
                         error.strerror or error)
        return not self._file_failed

    @property
    def _descriptor(self) -> int:
        return -1 if self._file is None else self._file.fileno()


class LogReader:
    """Reads the events of one execution at its own pace.

    Parameters
    ----------
    log : EventLog
        The events.
    since : int
        Events up to this number are left out.
    outputs : bool
        Whether to include the output of running cells.
    """

    def __init__(self, log: EventLog, since: int = 0, outputs: bool = False) -> None:
        self._log = log
        self._since = since
        self.outputs = outputs
        self._queue: Queue[Optional[LoggedEvent]] = Queue()
        self._outputs_waiting = 0
        self._output_bytes = 0  # of those
        self._has_missed = True  # output, so only the whole of it makes sense

    def put_first(self, event: LoggedEvent) -> None:
        """Add an event that is read before all others."""
        self._queue.put_nowait(event)

    def put(self, event: LoggedEvent) -> None:
        """Add an event, unless the reader knows it."""
        if event.number > self._since:
            self._queue.put_nowait(event)

    def put_output(self, line: bytes, whole: bool) -> None:
        """Add output, unless too much of it is waiting or some before it is missing."""
        if not self.outputs or (self._has_missed and not whole):
            return
        self._has_missed = self._outputs_waiting >= _OUTPUTS or self._output_bytes > _OUTPUT_BYTES
        if not self._has_missed:
            self._outputs_waiting += 1
            self._output_bytes += len(line)
            self._queue.put_nowait(LoggedEvent(0, events.OUTPUT, line))

    async def next(self) -> Optional[LoggedEvent]:
        """Return the next event, or None if there are no more."""
        event = await self._queue.get()
        if event is not None and event.name == events.OUTPUT:
            self._outputs_waiting -= 1
            self._output_bytes -= size_of(event.line)
            if self._has_missed and self._outputs_waiting == 0:
                self._log.ask()
        return event

    def stop(self) -> None:
        """Tell the reader that there are no more events after those that wait for it."""
        self._queue.put_nowait(None)

    async def close(self) -> None:
        """Stop reading."""
        self._log.unsubscribe(self)


def ended_log() -> EventLog:
    """Return a closed log without events."""
    log = EventLog()
    log.close()
    return log


async def _numbered(number: int, line: LargePayload) -> AsyncIterator[bytes]:
    async for piece in line.pieces():
        yield events.numbered(number, piece) if number else piece
        number = 0  # for the rest


async def _once(line: bytes) -> AsyncIterator[bytes]:
    yield line


def _write(descriptor: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written
