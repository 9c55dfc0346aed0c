"""The changes in the list of executions, for those who show it.

A reader gets the latest change of each execution, not all of them, so at most one per execution waits for a slow
reader. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Dict, List, NamedTuple, Optional

from .. import events

_PACE = 0.2  # seconds between two changes of one execution that only tell its progress


class Change(NamedTuple):
    """A change of one execution."""

    name: str
    exec_id: str
    timestamp: float


class ChangeFeed:
    """The changes of all executions."""

    def __init__(self) -> None:
        self._readers: List[ChangeFeedReader] = []
        self._resting: Dict[str, bool] = {}  # by id, after a change of progress: whether there is a newer one

    def tell(self, name: str, exec_id: str) -> None:
        """Tell all readers of a change."""
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

    def subscribe(self) -> ChangeFeedReader:
        """Return a reader of the changes from now on."""
        reader = ChangeFeedReader()
        self._readers.append(reader)
        return reader

    def unsubscribe(self, reader: ChangeFeedReader) -> None:
        """Tell this reader nothing more."""
        self._readers.remove(reader)


class ChangeFeedReader:
    """Reads the changes of all executions at its own pace."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Change] = OrderedDict()
        self._stopped = False
        self._has_news = asyncio.Event()

    def put(self, change: Change) -> None:
        """Add a change, in place of an older one of the same execution."""
        older = self._waiting.get(change.exec_id)
        if older is not None and older.name == events.STARTED and change.name == events.PROGRESS:
            change = change._replace(name=events.STARTED)
        self._waiting[change.exec_id] = change
        self._has_news.set()

    async def next(self) -> Optional[Change]:
        """Return the next change, or None if there are no more."""
        while not self._waiting and not self._stopped:
            self._has_news.clear()
            await self._has_news.wait()
        if self._stopped:
            return None
        return self._waiting.popitem(last=False)[1]

    def stop(self) -> None:
        """Tell the reader that there are no more changes."""
        self._stopped = True
        self._has_news.set()
