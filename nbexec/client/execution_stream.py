"""Starts an execution and reads its events, over as many connections as it takes.

A lost connection does not end an execution. Until the id of the execution is known, the request is repeated with the
same Idempotency-Key, so that it starts only once; from then on, the missing events are requested by their number.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from typing import Any, Iterable, Iterator, List, Optional, Union

import requests

from ..events import OUTPUT
from .api_error import ApiError, StreamEndedError
from .connection import CHUNKED, PASSING_STATUSES, Connection, is_settled
from .event_stream import EventStream
from .patience import Patience
from .result import FINAL_EVENTS, Event
from .run_request import RunRequest

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SILENCE = 45.0  # seconds until a connection counts as dead: three signs of life


class ExecutionStream(EventStream):
    """Yields each event of an execution once and in order, up to the last one; any thread may close it.

    Parameters
    ----------
    connection : Connection
        Sends requests.
    start : RunRequest or str
        The request that starts the execution, or the id of one that is there.
    since : int
        Number of the last event that is known.
    outputs : bool
        Whether output is told while a cell runs, by events that have no number.

    Raises
    ------
    ApiError
        While the events are asked for: the request was refused.
    StreamEndedError
        The connection was lost, and could not be made again.
    """

    def __init__(self, connection: Connection, start: Union[RunRequest, str], since: int = 0,
                 outputs: bool = False) -> None:
        self._connection = connection
        self._request = start if isinstance(start, RunRequest) else None
        self.exec_id = None if isinstance(start, RunRequest) else start
        self._last = since
        self._outputs = outputs
        self._is_first = True  # connection
        self._may_be_sent = False  # the request
        self._patience = Patience()
        self._closed = threading.Event()
        self._response: Optional[requests.Response] = None
        self._events = self._all()

    def __next__(self) -> Event:
        return next(self._events)

    def close(self) -> None:
        """End the iteration, even while another thread waits for an event. The execution continues."""
        self._closed.set()
        if self._response is not None:
            _hang_up(self._response)

    def find_id(self) -> Optional[str]:
        """Return the id of the execution; if the response was lost, repeat the request to learn it."""
        if self.exec_id is None and self._request is not None and self._may_be_sent:
            self._learn_id(self._request)
        return self.exec_id

    def _all(self) -> Iterator[Event]:
        while not self._closed.is_set():
            cause = "The stream was cut."
            try:
                for event in self._connected():
                    yield event
                    if event["event"] in FINAL_EVENTS:
                        return
            except requests.RequestException:
                pass
            except ApiError as error:
                if self._closed.is_set():
                    return
                self._check(error)
                cause = _last_answer(error)
            self._wait(cause)

    def _connected(self) -> Iterator[Event]:
        """Yield what is new on one connection, until that breaks."""
        self._patience.opened()
        with self._open() as response:
            self._response = response
            if self._closed.is_set():
                return
            for line in _lines(self._heard(response.iter_content(chunk_size=None))):
                event = _event(line, response)
                self.exec_id = event.get("exec_id", self.exec_id)
                if self._is_new(event):
                    self._patience.progressed()
                    yield event

    def _is_new(self, event: Event) -> bool:
        """Whether an event is not known yet; output of a running cell has no number and always is new."""
        if event["event"] == OUTPUT:
            return True
        number: int = event.get("seq", self._last + 1)
        is_new = number > self._last
        self._last = max(number, self._last)
        return is_new

    def _heard(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._patience.heard()
            yield chunk

    def _open(self) -> requests.Response:
        """Return a response that contains the events after the last one seen."""
        if self._request is not None and self.exec_id is None:
            self._may_be_sent = True
            if self._is_first and not self._outputs:
                response = self._stream("POST", data=self._request.body(), headers=self._request.headers())
                self.exec_id = _id_in(response)
                if response.status_code == 202:
                    return response
                response.close()  # the key is known: this response lacks the events so far
            if self.exec_id is None:
                self._learn_id(self._request)
        assert self.exec_id is not None
        query = {"since": str(self._last), **({"outputs": "true"} if self._outputs else {})}
        return self._stream("GET", self.exec_id, "events", params=query)

    def _learn_id(self, request: RunRequest) -> None:
        """Send the request, perhaps again, just to learn the id of its execution."""
        with self._connection.request("POST", data=request.body(), headers=request.headers()) as response:
            self.exec_id = _id_in(response)
        if self.exec_id is None:
            raise _misunderstood(response, lost=True)

    def _stream(self, method: str, *parts: str, **options: Any) -> requests.Response:
        headers = {**CHUNKED, "X-Heartbeat": f"{self._patience.heartbeat:g}", **options.pop("headers", {})}
        return self._connection.request(method, *parts, headers=headers, stream=True,
                                        timeout=(self._connection.connect_timeout, _SILENCE), **options)

    def _check(self, error: ApiError) -> None:
        """Raise the error, unless another connection may succeed."""
        if self._is_first and is_settled(error):
            raise error
        if error.lost or (error.status is None and not (self._is_first and self.exec_id is None)):
            return
        if self.exec_id is None:
            raise error
        if error.status not in PASSING_STATUSES:
            if self._response is None and self._request is None:  # nothing was lost
                raise error
            raise StreamEndedError(self.exec_id, _last_answer(error)) from error

    def _wait(self, cause: str) -> None:
        """Wait before the next connection, or raise StreamEndedError if there is none."""
        delay = self._patience.next_delay()
        if delay is None or self._connection.is_gone():
            raise StreamEndedError(self.exec_id, cause)
        self._is_first = False
        self._closed.wait(delay)


def _hang_up(response: requests.Response) -> None:
    """Let the reader of a response see its end now, instead of at the next heartbeat."""
    try:
        answer: Any = response.raw
        connection: socket.socket = answer._fp.fp.raw._sock
        connection.shutdown(socket.SHUT_RDWR)
    except (AttributeError, OSError, ValueError):
        pass  # it has come to its end already


def _last_answer(error: ApiError) -> str:
    return f"Last response: {error}"


def _id_in(response: requests.Response) -> Optional[str]:
    """Return the id of the execution that a request has started, None if the answer was cut before its end."""
    last = response.headers.get("Location", "").rstrip("/").rpartition("/")[2]
    return last if _ID.fullmatch(last) else None


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each complete line; an incomplete one at the end was cut off and is dropped.

    Empty lines are heartbeats, and are skipped.
    """
    pending: List[bytes] = []
    for chunk in chunks:
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*pending, lines[0]])
            pending = []
            yield from filter(None, lines)
        pending.append(rest)


def _event(line: bytes, response: requests.Response) -> Event:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise _misunderstood(response, lost=True)
    return event


def _misunderstood(response: requests.Response, lost: bool = False) -> ApiError:
    return ApiError(f"{response.url} does not respond as nbexec does", response.status_code, lost=lost)
