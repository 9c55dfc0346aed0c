"""The events of one execution, kept for whoever reads them, however slowly.

A reader's queue holds entries and not lines, so that one who never reads costs next to nothing: what is more than a
little is in a temporary file. It belongs to the loop thread; only what is large is written and read beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Callable, List, Optional, Tuple, TypeVar, Union

from tornado.queues import Queue

from .children import POSIX

_log = logging.getLogger("nbexec")
_MEMORY = 1 << 20  # bytes of one execution that are kept in memory
_LARGE = 1 << 18  # bytes that would hold up the loop

Entry = Union[bytes, Tuple[int, int]]  # a line, or where it begins in the file and how long it is
Subscription = Queue  # of entries, and None at the end
_T = TypeVar("_T")
_thread = ThreadPoolExecutor(1, "nbexec-events")


class EventLog:
    """The events of one execution from its start, in their order."""

    def __init__(self) -> None:
        self._entries: List[Entry] = []
        self._subscriptions: List[Subscription[Optional[Entry]]] = []
        self._closed = False
        self._in_memory = 0
        self._released = False
        self._file: Optional[IO[bytes]] = None
        self._file_size = 0
        self._file_failed = not POSIX

    async def append(self, line: bytes) -> None:
        """Keep an event and pass it on; the readers are not waited for. One event at a time."""
        entry = await self._keep(line)
        self._entries.append(entry)
        for subscription in self._subscriptions:
            subscription.put_nowait(entry)

    def close(self) -> None:
        """Tell all who read that there are no more events."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.put_nowait(None)

    def subscribe(self, since: int = 0, first: Optional[bytes] = None) -> Subscription[Optional[Entry]]:
        """Return a queue of the events after the first `since`, and of those to come; `first` stands before them."""
        subscription: Subscription[Optional[Entry]] = Queue()
        if first is not None:
            subscription.put_nowait(first)
        for entry in self._entries[since:]:
            subscription.put_nowait(entry)
        if self._closed:
            subscription.put_nowait(None)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription[Optional[Entry]]) -> None:
        """Pass nothing on to this queue any more; who waits for an event is told that there are none."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            subscription.put_nowait(None)
            self._close_file()

    def release(self) -> None:
        """Keep the events no longer than for those who read them now."""
        self._released = True
        self._close_file()

    def _close_file(self) -> None:
        if self._released and not self._subscriptions and self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

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


def ended_log() -> EventLog:
    """Return the log of an execution that is over, without its events."""
    log = EventLog()
    log.close()
    return log


async def _beside_the_loop(size: int, work: Callable[[], _T]) -> _T:
    """Do the work at once if it is about few bytes, and in a thread otherwise."""
    if size < _LARGE:
        return work()
    return await asyncio.get_event_loop().run_in_executor(_thread, work)


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
