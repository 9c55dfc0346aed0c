"""The changes in the list of executions, as events.

An event is made when it is read, with the model of that moment. It belongs to the loop thread.
"""

from __future__ import annotations

from typing import Optional, Tuple

from .. import events
from ..errors import ExecutionNotFoundError
from .change_feed import Change, ChangeFeed
from .event_log import LoggedEvent
from .store import ExecutionStore


class ChangeEvents:
    """Makes events of changes.

    Parameters
    ----------
    feed : ChangeFeed
        The changes.
    store : ExecutionStore
        The models.
    """

    def __init__(self, feed: ChangeFeed, store: ExecutionStore) -> None:
        self._feed = feed
        self._store = store
        self._last: Tuple[Optional[Change], bytes] = None, b""

    def subscribe(self) -> ChangeEventReader:
        """Return a reader of the events from now on."""
        return ChangeEventReader(self, self._feed)

    def line(self, change: Change) -> bytes:
        """Return the event of a change as a line; empty if the execution was deleted since."""
        if self._last[0] != change:  # readers of the same change share its line
            self._last = change, self._make_line(change)
        return self._last[1]

    def _make_line(self, change: Change) -> bytes:
        if change.name == events.DELETED:
            return events.line(events.change(*change))
        try:
            return events.line(events.change(*change, model=self._store.get_model(change.exec_id)))
        except ExecutionNotFoundError:
            return b""


class ChangeEventReader:
    """Reads changes as events."""

    def __init__(self, change_events: ChangeEvents, feed: ChangeFeed) -> None:
        self._change_events = change_events
        self._feed = feed
        self._reader = feed.subscribe()

    async def next(self) -> Optional[LoggedEvent]:
        """Return the next event, or None if there are no more."""
        while True:
            change = await self._reader.next()
            if change is None:
                return None
            line = self._change_events.line(change)
            if line:
                return LoggedEvent(0, change.name, line)

    def stop(self) -> None:
        """Tell the reader that there are no more events."""
        self._reader.stop()

    async def close(self) -> None:
        """Stop reading."""
        self._feed.unsubscribe(self._reader)
