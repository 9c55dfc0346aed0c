"""The events of one execution, kept for whoever reads them, however slowly.

A reader's queue holds entries and not lines, so that one who never reads costs next to nothing: what is more than a
little is in a temporary file. It belongs to the loop thread; only what is large is written and read beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from typing import IO, Callable, List, Optional, Tuple, TypeVar, Union

from tornado.queues import Queue

from . import events
from .children import POSIX

_log = logging.getLogger("nbexec")
_MEMORY = 1 << 20  # bytes of one execution that are kept in memory
_LARGE = 1 << 18  # bytes that would hold up the loop
_OUTPUTS = 8  # that wait for one reader; who reads more slowly is shown the whole again later

Entry = Union[bytes, Tuple[int, int]]  # a line, or where it begins in the file and how long it is
Numbered = Tuple[int, bytes]  # an event with its number, which is 0 for output that is shown while a cell runs
_T = TypeVar("_T")


class EventLog:
    """The events of one execution from its start, in their order.

    Parameters
    ----------
    watch : callable
        Called when the whole output of the running cell is wanted, with True, and when it is not wanted any more.
    """

    def __init__(self, watch: Callable[[bool], None] = lambda _: None) -> None:
        self._watch = watch
        self._entries: List[Tuple[int, Entry]] = []
        self._readers: List[LogReader] = []
        self._closed = False
        self._in_memory = 0
        self._file: Optional[IO[bytes]] = None
        self._file_size = 0
        self._file_failed = not POSIX

    async def append(self, line: bytes, number: Optional[int] = None) -> None:
        """Number an event, keep it and pass it on; the readers are not waited for. One event at a time."""
        number = number or self.last_number + 1
        entry = await self._keep(events.numbered(number, line))
        self._entries.append((number, entry))
        for reader in self._readers:
            reader.put(number, entry)

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

    async def read(self, entry: Entry) -> bytes:
        """Return the line of JSON that an entry stands for."""
        if isinstance(entry, bytes):
            return entry
        assert self._file is not None
        position, size = entry
        descriptor = self._file.fileno()
        return await _beside_the_loop(size, lambda: _read(descriptor, position, size))

    async def _keep(self, line: bytes) -> Entry:
        """Return the entry for a line; what cannot be written to a file is kept in memory all the same."""
        if self._in_memory + len(line) > _MEMORY and not self._file_failed:
            try:
                return await self._write(line)
            except OSError as error:
                self._file_failed = True
                _log.warning("Events of an execution stay in memory, because no temporary file can be written: %s.",
                             error.strerror or error)
        self._in_memory += len(line)
        return line

    async def _write(self, line: bytes) -> Entry:
        self._file = self._file or tempfile.TemporaryFile(prefix="nbexec-events-", buffering=0)
        position, descriptor = self._file_size, self._file.fileno()
        await _beside_the_loop(len(line), lambda: _write(descriptor, line, position))
        self._file_size += len(line)
        return position, len(line)


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
        self._queue: Queue[Optional[Tuple[int, Entry]]] = Queue()
        self._outputs_waiting = 0
        self._has_missed = True  # output

    def put_first(self, event: Numbered) -> None:
        """Take in what is read before all else."""
        self._queue.put_nowait(event)

    def put(self, number: int, entry: Entry) -> None:
        """Take an event in, unless it is known already."""
        if number > self._since:
            self._queue.put_nowait((number, entry))

    def put_output(self, line: bytes, whole: bool) -> None:
        """Take output in, unless there is too much of it waiting, or something before it is missing."""
        if not self.outputs or (self._has_missed and not whole):
            return
        self._has_missed = self._outputs_waiting >= _OUTPUTS
        if not self._has_missed:
            self._outputs_waiting += 1
            self._queue.put_nowait((0, line))

    async def next(self) -> Optional[Numbered]:
        """Return the next event with its number, or None if there are no more."""
        item = await self._queue.get()
        if item is None:
            return None
        number, entry = item
        if number == 0 and self._outputs_waiting:
            self._outputs_waiting -= 1
            if self._has_missed and self._outputs_waiting == 0:
                self._log.ask()
        return number, await self._log.read(entry)

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


async def _beside_the_loop(size: int, work: Callable[[], _T]) -> _T:
    """Do the work at once if it is about few bytes, and in a thread otherwise."""
    if size < _LARGE:
        return work()
    return await asyncio.get_event_loop().run_in_executor(None, work)


def _write(descriptor: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def _read(descriptor: int, position: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.pread(descriptor, size, position)
        if not part:
            raise EOFError("the temporary file of the events was cut")
        parts.append(part)
        position, size = position + len(part), size - len(part)
    return b"".join(parts)
