"""The events of one execution, kept for whoever reads them, however slowly.

A reader's queue holds entries and not lines, so that one who never reads costs next to nothing: what is more than a
little is in a temporary file, and is written and read there in pieces. It belongs to the loop thread.
"""

from __future__ import annotations

import logging
import os
import tempfile
from typing import IO, AsyncIterator, Callable, Iterator, List, NamedTuple, Optional, Tuple, Union

from tornado.queues import Queue

from .. import events
from ..engines.local.connection import LargePayload, Payload
from ..processes import POSIX

_log = logging.getLogger("nbexec")
_MEMORY = 1 << 20  # bytes of one execution that are kept in memory
_PIECE = 1 << 17  # bytes that are read and written at once, for more would hold up the loop
_OUTPUTS = 8  # that wait for one reader; who reads more slowly is shown the whole again later
_OUTPUT_BYTES = 1 << 18  # of those together, one excepted


class FiledLine(NamedTuple):
    """The line of an event that is in the file of its log; it is never in memory as a whole.

    Parameters
    ----------
    descriptor : int
        The file, which is open as long as anybody reads the log.
    position, size : int
        Where it begins in the file, and how long it is.
    """

    descriptor: int
    position: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yield it, piece by piece."""
        position, end = self.position, self.position + self.size
        while position < end:
            piece = os.pread(self.descriptor, min(_PIECE, end - position), position)
            if not piece:
                raise EOFError("the temporary file of the events was cut")
            yield piece
            position += len(piece)


Line = Union[bytes, FiledLine]
Numbered = Tuple[int, Line]  # an event with its number, which is 0 for output that is shown while a cell runs


def pieces_of(line: Line) -> Iterator[bytes]:
    """Yield a line in pieces; one that is in memory is shared by all who read it."""
    return iter([line]) if isinstance(line, bytes) else line.pieces()


def size_of(line: Line) -> int:
    """Return how many bytes a line has."""
    return len(line) if isinstance(line, bytes) else line.size


class EventLog:
    """The events of one execution from its start, in their order.

    Parameters
    ----------
    watch : callable
        Called when the whole output of the running cell is wanted, with True, and when it is not wanted any more.
    """

    def __init__(self, watch: Callable[[bool], None] = lambda _: None) -> None:
        self._watch = watch
        self._entries: List[Numbered] = []
        self._readers: List[LogReader] = []
        self._closed = False
        self._in_memory = 0
        self._released = False
        self._file: Optional[IO[bytes]] = None
        self._file_size = 0
        self._file_failed = not POSIX

    async def append(self, line: Payload, number: Optional[int] = None) -> None:
        """Number an event, keep it and pass it on; the readers are not waited for. One event at a time.

        An event of which only a part comes, because its runner is gone, has not happened.
        """
        number = number or self.last_number + 1
        try:
            kept = await self._keep(_numbered(number, line)) if isinstance(line, LargePayload) else (
                await self._keep_small(events.numbered(number, line)))
        except EOFError:
            return
        self._entries.append((number, kept))
        for reader in self._readers:
            reader.put(number, kept)

    @property
    def last_number(self) -> int:
        """The number of the last event so far, 0 if there is none."""
        return self._entries[-1][0] if self._entries else 0

    def show(self, line: bytes, whole: bool) -> None:
        """Pass output of the running cell on to those who want it; it is not kept.

        Parameters
        ----------
        line : bytes
            The event.
        whole : bool
            Whether it can be understood without the ones before.
        """
        for reader in self._readers:
            reader.put_output(line, whole)

    def close(self) -> None:
        """Tell all who read that there are no more events."""
        self._closed = True
        for reader in self._readers:
            reader.stop()

    def subscribe(self, since: int = 0, outputs: bool = False, first: Optional[Numbered] = None) -> LogReader:
        """Return a reader of the events after number `since`, and of those to come.

        Parameters
        ----------
        since : int
            Number of an event, 0 for all events.
        outputs : bool
            Whether output is shown too while a cell runs.
        first : tuple, optional
            What stands before all of them.
        """
        reader = LogReader(self, since, outputs)
        if first is not None:
            reader.put_first(first)
        for number, entry in self._entries:
            reader.put(number, entry)
        if self._closed:
            reader.stop()
        self._readers.append(reader)
        if outputs:
            self._watch(True)
        return reader

    def unsubscribe(self, reader: LogReader) -> None:
        """Pass nothing on to this reader any more."""
        if reader in self._readers:
            self._readers.remove(reader)
            if reader.outputs and not self.is_watched:
                self._watch(False)
            self._close_file()

    def release(self) -> None:
        """Keep the events no longer than for those who read them now."""
        self._released = True
        self._close_file()

    def _close_file(self) -> None:
        if self._released and not self._readers and self._file is not None:
            self._file.close()

    def is_over(self, since: int) -> bool:
        """Whether there is no event after number `since`, and will be none."""
        return self._closed and since >= self.last_number

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants output while a cell runs."""
        return any(reader.outputs for reader in self._readers)

    def ask(self) -> None:
        """Have the whole output of the running cell shown again."""
        self._watch(True)

    async def _keep_small(self, line: bytes) -> Line:
        if self._in_memory + len(line) <= _MEMORY:
            return self._remember(line)
        return await self._keep(_once(line))

    def _remember(self, line: bytes) -> bytes:
        self._in_memory += len(line)
        return line

    async def _keep(self, pieces: AsyncIterator[bytes]) -> Line:
        """Write a line to the file as it comes; what cannot be written is kept in memory all the same."""
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
        """Write to the file, and return whether that was possible."""
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
    """Reads the events of one execution, as fast or as slowly as it likes.

    Parameters
    ----------
    log : EventLog
        The events.
    since : int
        Those up to this number are left out.
    outputs : bool
        Whether output is read too while a cell runs.
    """

    def __init__(self, log: EventLog, since: int = 0, outputs: bool = False) -> None:
        self._log = log
        self._since = since
        self.outputs = outputs
        self._queue: Queue[Optional[Numbered]] = Queue()
        self._outputs_waiting = 0
        self._output_bytes = 0  # of those
        self._has_missed = True  # output

    def put_first(self, event: Numbered) -> None:
        """Take in what is read before all else."""
        self._queue.put_nowait(event)

    def put(self, number: int, line: Line) -> None:
        """Take an event in, unless it is known already."""
        if number > self._since:
            self._queue.put_nowait((number, line))

    def put_output(self, line: bytes, whole: bool) -> None:
        """Take output in, unless there is too much of it waiting, or something before it is missing."""
        if not self.outputs or (self._has_missed and not whole):
            return
        self._has_missed = self._outputs_waiting >= _OUTPUTS or self._output_bytes > _OUTPUT_BYTES
        if not self._has_missed:
            self._outputs_waiting += 1
            self._output_bytes += len(line)
            self._queue.put_nowait((0, line))

    async def next(self) -> Optional[Numbered]:
        """Return the next event with its number, or None if there are no more."""
        item = await self._queue.get()
        if item is not None and item[0] == 0 and self._outputs_waiting:
            self._outputs_waiting -= 1
            self._output_bytes -= size_of(item[1])
            if self._has_missed and self._outputs_waiting == 0:
                self._log.ask()
        return item

    def stop(self) -> None:
        """Let the reader know that nothing comes any more, once it has read what waits for it."""
        self._queue.put_nowait(None)

    async def close(self) -> None:
        """Read no more."""
        self._log.unsubscribe(self)


def ended_log() -> EventLog:
    """Return the log of an execution that is over, without its events."""
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
