"""An execution as its events tell it, to a command line that may be asked to stop it.

A thread reads the stream, so that whoever waits for an event can be told of a signal instead, and still have the last
event afterwards.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, Callable, Iterator, Optional

from ..client.client import FINAL_EVENTS, ApiError, Client, Event
from .stop_signals import Stopped, StopSignals

_STOP_TIMEOUT = 30.0  # seconds that the last event may take after a signal
_AGAIN = 0.5  # seconds until a server that did not answer is asked again to stop


class FollowedExecution:
    """An execution on a server.

    Parameters
    ----------
    client : Client
        Knows the server.
    events : iterator of dict
        Its events; the first one starts it.
    signals : StopSignals
        What ends the waiting for them.
    """

    def __init__(self, client: Client, events: Iterator[Event], signals: StopSignals) -> None:
        self._client = client
        # A signal may come while the queue is used, even by this thread: other queues would wait for themselves.
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._exec_id: Optional[str] = None
        self._final: Optional[Event] = None
        self._stopping = False
        signals.tell(lambda number: self._queue.put(Stopped(number)))
        signals.check()
        threading.Thread(target=self._read, args=(events,), daemon=True).start()

    def follow(self, show: Callable[[Event], None]) -> Event:
        """Show each event, and return the last.

        Raises
        ------
        Stopped
            A signal came.
        ApiError
            The server refused, or was lost.
        """
        while self._final is None:
            show(self._next())
        return self._final

    def stop(self) -> Event:
        """Shut the execution down, and return its last event.

        Raises
        ------
        queue.Empty
            It does not come in time.
        ApiError
            The server refused, or was lost.
        """
        deadline = time.monotonic() + _STOP_TIMEOUT
        while self._final is None:
            if self._exec_id is not None and not self._stopping:
                self._stopping = True
                threading.Thread(target=self._shutdown, args=(self._exec_id, deadline), daemon=True).start()
            self._next(deadline)
        return self._final

    def _read(self, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._queue.put(event)
        except Exception as error:  # whatever it is, the main thread is the one to know
            self._queue.put(error)

    def _shutdown(self, exec_id: str, deadline: float) -> None:
        """Ask the server until it answers; the stream tells the rest."""
        while time.monotonic() < deadline:
            try:
                self._client.shutdown(exec_id)
                return
            except ApiError as error:
                if error.status is not None and error.status < 500:
                    self._queue.put(error)
                    return
            time.sleep(_AGAIN)

    def _next(self, deadline: Optional[float] = None) -> Event:
        """Return the next event, or raise what came instead."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        item = self._queue.get(timeout=timeout)
        if isinstance(item, Exception):
            raise item
        event: Event = item
        self._exec_id = event.get("exec_id", self._exec_id)
        if event["event"] in FINAL_EVENTS:
            self._final = event
        return event
