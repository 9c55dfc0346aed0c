"""Follows an execution by its events, and shuts it down on a signal.

A thread reads the stream, so that a signal can interrupt the wait for an event without losing the events that follow.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

from ..client import FINAL_EVENTS, ApiError, Event
from ..waits import next_item
from .stop_signals import Stopped, StopSignals

if TYPE_CHECKING:
    from .run_target import Runner

_STOP_TIMEOUT = 30.0  # seconds to wait for the final event after a signal
_AGAIN = 0.5  # seconds before the shutdown is requested again if the server did not respond


class FollowedExecution:
    """An execution on a server.

    Parameters
    ----------
    client : Client or LocalClient
        What runs it.
    events : iterator of dict
        Its events; asking for the first one starts it.
    signals : StopSignals
        The signals that interrupt the wait for events.
    """

    def __init__(self, client: Runner, events: Iterator[Event], signals: StopSignals) -> None:
        self._client = client
        # A signal may arrive while this very thread uses the queue; other kinds of queues would deadlock.
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._exec_id: Optional[str] = None
        self._final: Optional[Event] = None
        self._stopping = False
        signals.tell(lambda number: self._queue.put(Stopped(number)))
        signals.check()
        threading.Thread(target=self._read, args=(events,), daemon=True).start()

    def follow(self, show: Callable[[Event], None]) -> Event:
        """Show each event, and return the final one.

        Raises
        ------
        Stopped
            A signal arrived.
        ApiError
            The server refused the request, or the connection was lost.
        """
        while self._final is None:
            show(self._next())
        return self._final

    def stop(self, show: Callable[[Event], None]) -> Event:
        """Shut the execution down, show each event until the final one, and return that.

        Raises
        ------
        queue.Empty
            The event does not arrive in time.
        ApiError
            The server refused the request, or the connection was lost.
        """
        deadline = time.monotonic() + _STOP_TIMEOUT
        while self._final is None:
            if self._exec_id is not None and not self._stopping:
                self._stopping = True
                threading.Thread(target=self._shutdown, args=(self._exec_id, deadline), daemon=True).start()
            show(self._next(deadline))
        return self._final

    def _read(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._queue.put(event)
        except Exception as error:  # of any kind: the main thread has to handle it
            self._queue.put(error)

    def _shutdown(self, exec_id: str, deadline: float) -> None:
        """Request the shutdown until the server responds; the final event comes with the stream."""
        while time.monotonic() < deadline:
            try:
                self._client.execution(exec_id).shutdown()
                return
            except ApiError as error:
                if error.status is not None and error.status < 500:
                    self._queue.put(error)
                    return
            time.sleep(_AGAIN)

    def _next(self, deadline: Optional[float] = None) -> Event:
        """Return the next event, or raise the exception that arrived instead."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        item = next_item(self._queue, timeout)
        if isinstance(item, Exception):
            raise item
        event: Event = item
        self._exec_id = event.get("exec_id", self._exec_id)
        if event["event"] in FINAL_EVENTS:
            self._final = event
        return event
