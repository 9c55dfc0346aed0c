"""The events of executions that are over, told again from their records and their output notebooks.

The server keeps none of them, and parses no notebook: a runner reads it and tells what is in there. Numbers stay what
they were, so that a reader who was cut off goes on where it was, even if its execution has ended meanwhile, or the
server. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Dict, Optional
from weakref import WeakValueDictionary

from .. import events
from ..errors import ExecutionNotFoundError, NbExecError
from ..execution import EXECUTING, INITIALIZING
from ..protocol import EventsRequest, Raised, RecordedEvent
from .change_feed import Changes
from .contents import Contents
from .event_log import EventLog
from .inspector import Inspector
from .store import ExecutionStore, Model

_log = logging.getLogger("nbexec")
_AT_ONCE = 4  # runners that read


class Replays:
    """Tells events again.

    Parameters
    ----------
    store : ExecutionStore
        The records.
    contents : Contents
        Finds output notebooks.
    inspector : Inspector
        Has them read.
    changes : Changes
        Tells when an execution of an earlier server has its final state.
    """

    def __init__(self, store: ExecutionStore, contents: Contents, inspector: Inspector, changes: Changes) -> None:
        self._store = store
        self._contents = contents
        self._inspector = inspector
        self._changes = changes
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._logs: WeakValueDictionary[str, EventLog] = WeakValueDictionary()  # those that somebody reads

    def start(self, exec_id: str) -> EventLog:
        """Return a log that all events of an execution without a runner come into; its readers share it."""
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
            pass  # it was deleted a moment ago
        except Exception:
            _log.exception("nbexec failed while it told again what happened in execution %s", exec_id)
        log.close()

    async def _final_model(self, exec_id: str) -> Model:
        """Return the model as soon as it is final: an earlier server's runner may still be saving."""
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
        start_facts, end_facts = self._store.facts(model["exec_id"])
        details: Dict[str, Any] = {}
        if model["started_at"] is not None:
            await log.append(events.line(_start_event(model, **start_facts)), start)
            if model["output_path"] is not None:
                cells = None if start is None or end is None else (end - start - 1) // 2
                async with self._places:
                    details = await self._tell_cells(log, model, cells)
        await log.append(events.line(events.notebook_end(model, **details, **end_facts)), end)

    async def _tell_cells(self, log: EventLog, model: Model, cells: Optional[int]) -> Dict[str, Any]:
        """Tell what is in the output notebook, if that is there; return what the last cell raised."""
        details: Dict[str, Any] = {}
        try:
            source = await self._contents.source(model["output_path"])
            await self._contents.load(source)
            request = EventsRequest(**self._inspector.common(source), execution=model, cells=cells)
            async for message, payload in self._inspector.ask(request, source):
                if isinstance(message, RecordedEvent):
                    await log.append(payload)
                elif isinstance(message, Raised):
                    details = message.details
        except NbExecError:
            pass  # what was told is told
        return details


def _start_event(model: Model, **facts: Any) -> events.Event:
    """Return `notebook_start` with the model as it was then."""
    then = dict(model, status=EXECUTING, progress=None, last_cell_source=None, completed_at=None,
                output_path=model["output_path"] if model["overwrite"] else None)
    return events.notebook_start(then, **facts)
