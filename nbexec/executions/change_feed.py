"""What changes in the list of executions, for whoever shows it.

A reader is told the latest of each execution, not all that has happened: what waits for a slow one is never more than
one change per execution. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Dict, List, NamedTuple, Optional

from .. import events

_PACE = 0.2  # seconds between two changes of one execution that only tell how far it is


class Change(NamedTuple):
    """What has happened to which execution, and when."""

    name: str
    exec_id: str
    timestamp: float


class Changes:
    """The changes of all executions from now on."""

    def __init__(self) -> None:
        self._readers: List[ChangesReader] = []
        self._resting: Dict[str, bool] = {}  # whose progress was told a moment ago, and whether there is more by now

    def tell(self, name: str, exec_id: str) -> None:
        """Let all readers know of a change."""
        if not self._readers:
            return
        if name == events.PROGRESS and exec_id in self._resting:
            self._resting[exec_id] = True
            return
        if name == events.PROGRESS:
            self._resting[exec_id] = False
            asyncio.get_event_loop().call_later(_PACE, self._tell_rest, exec_id)
        else:
            self._resting.pop(exec_id, None)
        change = Change(name, exec_id, events.now().timestamp())
        for reader in self._readers:
            reader.put(change)

    def _tell_rest(self, exec_id: str) -> None:
        if self._resting.pop(exec_id, False):
            self.tell(events.PROGRESS, exec_id)

    def subscribe(self) -> ChangesReader:
        """Return a reader of what changes from now on."""
        reader = ChangesReader()
        self._readers.append(reader)
        return reader

    def unsubscribe(self, reader: ChangesReader) -> None:
        """Tell this reader nothing any more."""
        self._readers.remove(reader)


class ChangesReader:
    """Reads the changes of all executions, as fast or as slowly as it likes."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Change] = OrderedDict()
        self._stopped = False
        self._has_news = asyncio.Event()

    def put(self, change: Change) -> None:
        """Take a change in, instead of an older one of the same execution."""
        older = self._waiting.get(change.exec_id)
        if older is not None and older.name == events.STARTED and change.name == events.PROGRESS:
            change = change._replace(name=events.STARTED)
        self._waiting[change.exec_id] = change
        self._has_news.set()

    async def next(self) -> Optional[Change]:
        """Return the next change, or None if nothing comes any more."""
        while not self._waiting and not self._stopped:
            self._has_news.clear()
            await self._has_news.wait()
        if self._stopped:
            return None
        return self._waiting.popitem(last=False)[1]

    def stop(self) -> None:
        """Let the reader know that nothing comes any more."""
        self._stopped = True
        self._has_news.set()
