"""The events of finished executions, recovered from their records and their output notebooks.

The server keeps no events and parses no notebook: a runner reads the notebook and sends its events. Their numbers stay
the same, so a reader whose connection was cut resumes where it was, even if the execution or the server has ended
meanwhile. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Dict, List, Optional
from weakref import WeakValueDictionary

from .. import events
from ..errors import ExecutionNotFoundError, NbExecError
from ..execution import EXECUTING, INITIALIZING, split_details
from ..protocol import EventsRequest, Raised, RecordedEvent
from .change_feed import ChangeFeed
from .event_log import EventLog
from .inspector import Inspector
from .places import Notebooks
from .store import ExecutionStore, Model

_log = logging.getLogger("nbexec")
_AT_ONCE = 4  # notebooks to read at once


class Replays:
    """Recovers events.

    Parameters
    ----------
    store : ExecutionStore
        The records.
    contents : Notebooks
        Finds output notebooks.
    inspector : Inspector
        Reads them.
    changes : ChangeFeed
        Tell when an execution of an earlier server has its final state.
    """

    def __init__(self, store: ExecutionStore, contents: Notebooks, inspector: Inspector, changes: ChangeFeed) -> None:
        self._store = store
        self._contents = contents
        self._inspector = inspector
        self._changes = changes
        self._readings = asyncio.Semaphore(_AT_ONCE)
        self._logs: WeakValueDictionary[str, EventLog] = WeakValueDictionary()  # by id, as long as they have readers

    def start(self, exec_id: str) -> EventLog:
        """Return a log that is filled with the events of an execution without a runner; its readers share it."""
        log = self._logs.get(exec_id)
        if log is not None:
            return log
        log = self._logs[exec_id] = EventLog()
        asyncio.ensure_future(self._fill(log, exec_id))
        return log

    async def _fill(self, log: EventLog, exec_id: str) -> None:
        try:
            await self._tell(log, await self._final_model(exec_id))
        except ExecutionNotFoundError:
            pass  # it has just been deleted
        except Exception:
            _log.exception("nbexec failed while it told again what happened in execution %s", exec_id)
        log.close()

    async def _final_model(self, exec_id: str) -> Model:
        """Return the model once it is final: the runner of an earlier server may still be saving."""
        reader = self._changes.subscribe()
        try:
            while True:
                model = self._store.get_model(exec_id)
                if model["status"] not in (INITIALIZING, EXECUTING):
                    return model
                await reader.next()
        finally:
            self._changes.unsubscribe(reader)

    async def _tell(self, log: EventLog, model: Model) -> None:
        start, end = self._store.numbers(model["exec_id"])
        start_details, end_details = self._store.details(model["exec_id"])
        exception, end_details = split_details(end_details)
        raised: Dict[str, Any] = {}
        if model["started_at"] is not None:
            await _append(log, _start_event(model, **start_details), start)
            if model["output_path"] is not None:
                cells = None if start is None or end is None else (end - start - 1) // 2
                async with self._readings:
                    raised = await self._tell_cells(log, model, cells, exception, end_details.get("failed_cells"))
        await _append(log, events.notebook_end(model, **raised, **end_details), end)

    async def _tell_cells(self, log: EventLog, model: Model, cells: Optional[int],
                          exception: Dict[str, str], failed_cells: Optional[List[int]]) -> Dict[str, Any]:
        """Log the events in the output notebook, if there is one; return the exception that ended the execution."""
        details: Dict[str, Any] = {}
        try:
            source = await self._contents.source(model["output_path"])
            await self._contents.load(source)
            request = EventsRequest(**self._inspector.common(source), execution=model, cells=cells,
                                    exception=exception, failed_cell=failed_cells[0] if failed_cells else None)
            async for message, payload in self._inspector.ask(request, source):
                if isinstance(message, RecordedEvent):
                    await log.append(message.event, payload)
                elif isinstance(message, Raised):
                    details = message.details
        except NbExecError:
            pass  # the events so far stay
        return details


async def _append(log: EventLog, event: events.Event, number: Optional[int]) -> None:
    await log.append(event["event"], events.line(event), number)


def _start_event(model: Model, **details: Any) -> events.Event:
    """Return `notebook_start` with the model as it was at that time."""
    then = dict(model, status=EXECUTING, progress=None, last_cell_source=None, completed_at=None,
                output_path=model["output_path"] if model["overwrite"] else None)
    then.pop("results", None)
    return events.notebook_start(then, **details)
