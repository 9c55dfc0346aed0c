"""The events of an execution of this process."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from typing import Optional

from ..client.api_error import ApiError
from ..client.event_stream import EventStream
from ..client.result import FINAL_EVENTS, Event
from ..client.run_request import RunRequest
from ..errors import ExecutionNotFoundError, NbExecError
from ..executions.event_log import LoggedEvent, LogReader
from ..handlers import arguments
from ..handlers.statuses import status_of
from ..run_arguments import RunArguments
from .engine import Engine, current_engine


class LocalStream(EventStream):
    """Yields each event of an execution, up to the last one; any thread may close it.

    Parameters
    ----------
    request : RunRequest
        What to run; asking for the first event starts it.
    outputs : bool
        Whether output is told while a cell runs.

    Raises
    ------
    ApiError
        While the events are asked for: the request is refused, as a server refuses it.
    """

    def __init__(self, request: RunRequest, outputs: bool = False) -> None:
        self._request = request
        self._outputs = outputs
        self._engine: Optional[Engine] = None
        self._reader: Optional[LogReader] = None
        self._started: Optional[asyncio.Future[None]] = None  # done when it is known whether it runs
        self._closed = threading.Event()
        self._is_over = False

    def __next__(self) -> Event:
        if self._is_over or self._closed.is_set():
            raise StopIteration
        if self._engine is None:
            self._engine = current_engine()
            self._engine.call(self._start(self._engine))
        event = self._engine.call(self._next())
        if event is None:
            self._is_over = True
            raise StopIteration
        self._is_over = event["event"] in FINAL_EVENTS
        return event

    def close(self) -> None:
        """End the iteration, even while another thread waits for an event. The execution continues."""
        self._closed.set()
        if self._engine is not None:
            self._engine.soon(self._stop_reading)

    def shutdown(self) -> None:
        """Shut the execution down, if it has been started, and wait until its kernel is gone."""
        if self._engine is not None:
            self._engine.call(self._shutdown(self._engine))

    # -- in the thread of the engine --------------------------------------------------------------

    async def _start(self, engine: Engine) -> None:
        self._started = asyncio.get_event_loop().create_future()
        try:
            started = await engine.manager.start_execution(_run_arguments(self._request))
            self.exec_id = started.exec_id
            self._reader = started.subscribe(outputs=self._outputs)
        except NbExecError as error:
            raise refusal(error) from error
        finally:
            self._started.set_result(None)

    async def _next(self) -> Optional[Event]:
        assert self._reader is not None
        event = None if self._closed.is_set() else await self._reader.next()
        parsed = None if event is None else _parsed(event)
        if parsed is None or parsed["event"] in FINAL_EVENTS:
            await self._reader.close()
        return parsed

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.stop()

    async def _shutdown(self, engine: Engine) -> None:
        if self._started is not None:
            await self._started
        if self.exec_id is not None:
            with suppress(ExecutionNotFoundError):
                await engine.manager.shutdown_execution(self.exec_id, wait=True)


def refusal(error: NbExecError) -> ApiError:
    """Return the error with which a client of a server would be refused."""
    return ApiError(str(error), status_of(error), field=getattr(error, "field", None),
                    retry_after=getattr(error, "retry_after", None))


def _run_arguments(request: RunRequest) -> RunArguments:
    """Return what a request asks for, checked as a server checks it."""
    form = arguments.merge(arguments.decode_body(request.body(), arguments.JSON))
    return arguments.run_arguments(form, request.headers())


def _parsed(event: LoggedEvent) -> Event:
    line = event.line if isinstance(event.line, bytes) else b"".join(event.line.pieces())
    parsed: Event = json.loads(line)
    return parsed
