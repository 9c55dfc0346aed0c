"""Starts an execution and reads its events, over as many connections as it takes.

A lost connection does not end an execution. Until the id of the execution is known, the request is repeated with the
same Idempotency-Key, so that it starts only once; from then on, the missing events are requested by their number.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional

import requests

from ..events import NOTEBOOK_COMPLETE, NOTEBOOK_ERROR
from .api_error import ApiError, StreamEndedError
from .patience import Patience

Event = Dict[str, Any]
Request = Callable[..., requests.Response]  # method, parts of the path, and options of requests

FINAL_EVENTS = (NOTEBOOK_COMPLETE, NOTEBOOK_ERROR)
# "identity" keeps compression, and the buffering that comes with it, out of the stream.
CHUNKED = {"X-Response-Encoding": "chunked", "Accept-Encoding": "identity"}
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses after which the server or proxy may recover
_TIMEOUTS = (10.0, 45.0)  # seconds to connect, and of silence: three heartbeats


class ExecutionStream:
    """Starts an execution and yields each of its events once, in order, up to the final one.

    Parameters
    ----------
    request : callable
        Sends a request and raises `ApiError` if it is refused.
    form, headers : mapping
        The request that starts the execution.
    is_gone : callable
        Returns whether the server is gone for good.

    Raises
    ------
    ApiError
        On iteration: the request was refused.
    StreamEndedError
        On iteration: the connection was lost, and could not be re-established.
    """

    def __init__(self, request: Request, form: Mapping[str, str], headers: Mapping[str, str],
                 is_gone: Callable[[], bool]) -> None:
        self._request = request
        self._form = form
        self._is_gone = is_gone
        self._headers = {**headers, "Idempotency-Key": str(uuid.uuid4())}
        self._is_first = True  # connection
        self._exec_id: Optional[str] = None
        self._last = 0  # number of the last event
        self._patience = Patience()

    def __iter__(self) -> Iterator[Event]:
        while True:
            cause = "The stream was cut."
            try:
                for event in self._connection():
                    yield event
                    if event["event"] in FINAL_EVENTS:
                        return
            except requests.RequestException:
                pass
            except ApiError as error:
                self._check(error)
                cause = _last_answer(error)
            self._wait(cause)

    def _connection(self) -> Iterator[Event]:
        """Yield what is new on one connection, until that breaks."""
        self._patience.opened()
        with self._open() as response:
            for line in _lines(self._heard(response.iter_content(chunk_size=None))):
                event = _event(line, response)
                number = event.get("seq", self._last + 1)
                self._exec_id = event.get("exec_id", self._exec_id)
                if number > self._last:
                    self._last = number
                    self._patience.progressed()
                    yield event

    def _heard(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._patience.heard()
            yield chunk

    def _open(self) -> requests.Response:
        """Return a response that contains the events after the last one seen."""
        options: Dict[str, Any] = {"stream": True, "timeout": _TIMEOUTS}
        headers = {**CHUNKED, "X-Heartbeat": f"{self._patience.heartbeat:g}", **self._headers}
        if self._is_first:
            response = self._request("POST", data=self._form, headers=headers, **options)
            if response.status_code != 202:
                raise _misunderstood(response)
            self._exec_id = _id_in(response)
            return response
        if self._exec_id is None:  # the first response was lost, and with it the earliest events
            with self._request("POST", data=self._form, headers=self._headers) as response:
                self._exec_id = _id_in(response)
                if self._exec_id is None:
                    raise _misunderstood(response, lost=True)
        return self._request("GET", self._exec_id, "events", params={"since": str(self._last)}, headers=headers,
                             **options)

    def _check(self, error: ApiError) -> None:
        """Raise the error, unless another connection may succeed."""
        if error.lost or (error.status is None and not self._is_first):
            return
        if self._exec_id is None:
            raise error
        if error.status not in _PASSING:
            raise StreamEndedError(self._exec_id, _last_answer(error)) from error

    def _wait(self, cause: str) -> None:
        """Wait before the next connection, or raise StreamEndedError if there is none."""
        delay = self._patience.next_delay()
        if delay is None or self._is_gone():
            raise StreamEndedError(self._exec_id, cause)
        self._is_first = False
        time.sleep(delay)


def _last_answer(error: ApiError) -> str:
    return f"Last response: {error}"


def _id_in(response: requests.Response) -> Optional[str]:
    """Return the id of the execution that a request has started, None if the response was cut short."""
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
