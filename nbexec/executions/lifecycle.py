"""The states of one execution, from its request to its end.

Each change is recorded, logged as an event, told to those who watch the list, and counted. The final state is never
changed again. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import replace
from typing import Any, Callable, Collection, Optional, Sequence

from .. import events
from ..engines.local.connection import Payload
from ..errors import ExecutionError, KernelDiedError, NbExecError, kind_of
from ..execution import COMPLETED, END_DETAILS, EXECUTING, RECORDED_DETAILS, Execution, error_status
from ..protocol import CellEvent, Ended, Readable
from ..run_arguments import RunArguments
from ..secret_values import masked
from . import metrics
from .change_feed import ChangeFeed
from .event_log import EventLog
from .store import ExecutionStore, Key

_log = logging.getLogger("nbexec")


class Lifecycle:
    """Takes one execution from state to state.

    Parameters
    ----------
    execution : Execution
        The execution.
    arguments : RunArguments
        The arguments of its request, including the values of secret parameters.
    key : str, optional
        The Idempotency-Key of the request.
    log : EventLog
        Its events.
    store : ExecutionStore
        The records.
    changes : ChangeFeed
        The changes in the list.
    on_end : callable
        Called when the execution has its final state.
    """

    def __init__(self, execution: Execution, arguments: RunArguments, key: Optional[str], log: EventLog,
                 store: ExecutionStore, changes: ChangeFeed, on_end: Callable[[], None]) -> None:
        self.execution = execution
        self.log = log
        self.accepted: asyncio.Future[None] = asyncio.get_event_loop().create_future()
        self.is_refused = False
        self.is_deleted = False
        self._arguments = arguments
        self._key_name = key
        self._key: Optional[Key] = None  # until it is recorded
        self._store = store
        self._changes = changes
        self._on_end = on_end
        self._is_recorded = False
        self._requested = time.monotonic()
        self.has_slot_since = self._requested
        self.hide(arguments.params)  # all of them, until a runner has read which ones are secret

    @property
    def is_over(self) -> bool:
        """Whether the execution has its final state, or was refused."""
        return self.execution.finished or self.is_refused

    def hide(self, secret: Collection[str]) -> None:
        """Mask the values of these parameters, and of no others."""
        self.execution.arguments = replace(self.execution.arguments, params=masked(self._arguments.params, secret))
        if self._key_name is not None and not self._is_recorded:
            self._key = Key(self._key_name, self._arguments.digest(secret))

    def describe(self, notebook: Readable) -> None:
        """Take over what a runner has read: which values are secret, and what all parameters are."""
        self.hide(notebook.secret)
        self.execution.parameters = notebook.parameters

    def refuse(self, error: NbExecError) -> None:
        """Turn down the request, before anything is recorded.

        Raises
        ------
        ExecutionError
            It was accepted before, to wait for a slot, so the execution has to end with this error.
        """
        if self.accepted.done():
            raise ExecutionError(str(error)) from error
        self.is_refused = True
        self.accepted.set_exception(error)

    async def wait_in_line(self, position: int, problems: Sequence[str]) -> None:
        """Record that the execution waits for a slot, at this position; problems may be why."""
        self._save()
        await self._tell(events.notebook_queue(self.execution.model(), position, problems))
        self._accept()

    async def start(self, kernel: str, where: Optional[str], warnings: Sequence[str]) -> None:
        """Record the start on a kernel of this name, on a worker, unless an earlier runner got that far."""
        execution = self.execution
        if execution.started_at is not None:
            return
        execution.start_details = {"warnings": list(warnings)} if warnings else {}
        execution.status = EXECUTING
        execution.kernel = kernel
        execution.where = where
        execution.started_at = events.now().timestamp()
        execution.start_number = self.log.last_number + 1
        self._save()
        await self._tell(events.notebook_start(execution.model(), **execution.start_details))
        self._accept()
        self._log_entry("start", where=execution.where, waited=round(time.monotonic() - self._requested, 3))

    async def progress(self, message: CellEvent, line: Payload) -> None:
        """Record that a cell has started or ended; `line` is the event."""
        if self.execution.progress is None:
            metrics.FIRST_CELL.observe(time.monotonic() - self._requested)
        self.execution.progress = message.progress
        if message.source is not None:
            self.execution.last_cell_source = message.source
        self._save()
        await self.log.append(message.event, line)

    async def finish(self, error: Optional[ExecutionError], output_path: Optional[str] = None,
                     message: Optional[Ended] = None) -> None:
        """Record the final state, unless there is one.

        Parameters
        ----------
        error : ExecutionError, optional
            What went wrong.
        output_path : str, optional
            API path of the output notebook, if there is one.
        message : Ended, optional
            The report of the runner, if there is one.
        """
        if self.is_over:
            return
        execution = self.execution
        execution.status = COMPLETED if error is None else error_status(str(error))
        execution.completed_at = events.now().timestamp()
        execution.end_number = self.log.last_number + 1
        kind = message.kind if message is not None and message.kind else type(error).__name__
        told = {} if message is None else message.details
        details = {name: told[name] for name in END_DETAILS if name in told}  # the worker of a runner may be hostile
        results = told.get("results")
        execution.results = results if isinstance(results, dict) else {}
        if error is not None:
            details["kind"] = kind_of(kind)
        execution.end_details = {name: details[name] for name in RECORDED_DETAILS if name in details}
        if error is None and message is not None:
            execution.progress = message.progress
        execution.output_path = output_path
        self._save()
        await self._tell(events.notebook_end(execution.model(), **details))
        self.log.close()
        self._accept()
        self._account(None if error is None else kind)
        self._on_end()

    def _accept(self) -> None:
        if not self.accepted.done():
            self.accepted.set_result(None)

    def _save(self) -> None:
        if self.is_deleted:
            return
        self._store.save(self.execution, self._key)
        self._key = None
        name = (events.ENDED if self.execution.finished else events.PROGRESS if self._is_recorded
                else events.STARTED)
        self._is_recorded = True
        self._changes.tell(name, self.execution.exec_id)

    async def _tell(self, event: events.Event) -> None:
        await self.log.append(event["event"], events.line(event))

    def _account(self, kind: Optional[str]) -> None:
        """Count and log the end."""
        state = "error" if kind else "completed"
        seconds = time.monotonic() - self.has_slot_since
        metrics.EXECUTIONS.labels(state).inc()
        metrics.EXECUTION.observe(seconds)
        if kind == KernelDiedError.__name__:
            metrics.KERNEL_DEATHS.inc()
        self._log_entry("end", state=state, error=kind, seconds=round(seconds, 3), cells=self.execution.progress,
                        output_path=self.execution.output_path)

    def _log_entry(self, what: str, **details: Any) -> None:
        """Log a change for programs to read; without values of parameters."""
        entry = {"exec_id": self.execution.exec_id, "path": self.execution.path, **details}
        _log.info("execution %s %s", what,
                  json.dumps({name: value for name, value in entry.items() if value is not None}))
