"""The collection of executions: start, list, get, follow, shut down, delete.

Everything about a single execution is elsewhere: `ActiveExecution` while it is under way, the store afterwards. It
belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import Any, Dict, List, Optional, Tuple

from .. import events
from ..engines.local.launcher import Launcher
from ..execution import SHUT_DOWN, Execution, split_details
from ..protocol import DefinedParameters, Settings
from ..run_arguments import RunArguments
from . import metrics
from .active import ActiveExecution, Equipment
from .change_events import ChangeEventReader, ChangeEvents
from .change_feed import ChangeFeed
from .checked_request import CheckedRequest, check
from .engine import Engine
from .event_log import LoggedEvent, LogReader, ended_log
from .idempotency import IdempotencyKeys
from .inspector import Inspector
from .kernelspecs import KernelSpecs
from .outputs import OutputNotebook, OutputNotebooks
from .places import Notebooks
from .recovery import Recovery
from .replay import Replays
from .selection import ExecutionPage, Selection
from .slots import Slots
from .started_execution import StartedExecution
from .store import ExecutionStore, Model
from .typed_values import TypedValues

_log = logging.getLogger("nbexec")
DELETED = "the execution was deleted"


class ExecutionManager:
    """The executions of a server.

    Parameters
    ----------
    launcher : Launcher
        Starts runners on this machine, which read notebooks.
    engine : Engine
        Starts runners that run them.
    store : ExecutionStore
        Keeps the models.
    contents : Notebooks
        Finds notebooks.
    kernelspecs : KernelSpecs
        Finds kernels.
    slots : Slots
        How many executions may run at once.
    settings : Settings
        The part of the configuration that runners need.
    keep_executions : int
        How many finished executions to keep; 0 keeps all.
    keep_seconds : float
        How long to keep them; 0 keeps them for ever.
    """

    def __init__(self, launcher: Launcher, engine: Engine, store: ExecutionStore, contents: Notebooks,
                 kernelspecs: KernelSpecs, slots: Slots, settings: Settings, keep_executions: int = 0,
                 keep_seconds: float = 0) -> None:
        self._launcher = launcher
        self._engine = engine
        self._store = store
        self._contents = contents
        self._kernelspecs = kernelspecs
        self._slots = slots
        self._keep_executions = keep_executions
        self._keep_seconds = keep_seconds
        self._changes = ChangeFeed()
        self._change_events = ChangeEvents(self._changes, store)
        self._inspector = Inspector(launcher, contents, settings)
        self._keys = IdempotencyKeys(store)
        self._typed_values = TypedValues(store)
        self._replays = Replays(store, contents, self._inspector, self._changes)
        self._outputs = OutputNotebooks(store, contents, launcher, self._inspector)
        recovery = Recovery(store, engine.notes or store.notes, partial(self._changes.tell, events.ENDED))
        self._equipment = Equipment(engine, store, contents, kernelspecs, slots, self._inspector, recovery,
                                    self._changes)
        self._active: Dict[str, ActiveExecution] = {}
        recovery.begin()
        metrics.RUNNING.set_function(lambda: slots.taken)
        metrics.QUEUED.set_function(lambda: slots.waiting)
        metrics.WORKERS.get_state = self.engine_state

    @property
    def busy(self) -> bool:
        """Whether any execution is under way."""
        return bool(self._active)

    def close(self) -> None:
        """Make all runners save their output so far and exit, because the server stops."""
        self._engine.close()
        if self._engine is not self._launcher:
            self._launcher.close()
        self._store.close()

    def engine_state(self) -> Model:
        """Return where executions run, and what is wrong there."""
        return {**self._engine.state(), "running": self._slots.taken, "queued": self._slots.waiting}

    # -- start ------------------------------------------------------------------------------------

    async def start_execution(self, arguments: RunArguments, key: Optional[str] = None, is_from_page: bool = False,
                              values_from: Optional[str] = None) -> StartedExecution:
        """Start an execution; return when its request is accepted.

        Parameters
        ----------
        arguments : RunArguments
            What to run.
        key : str, optional
            The Idempotency-Key of the request. Nothing is started if the same request came with it before.
        is_from_page : bool
            Whether the request comes from a page of this server.
        values_from : str, optional
            The execution from which the page has filled its form.

        Raises
        ------
        NotebookNotFoundError
            There is no such notebook.
        InvalidArgumentError, DefinitionError, KernelRefusedError
            The request is not accepted.
        TooManyExecutionsError
            It would have to wait, and too many are waiting already.
        IdempotencyKeyReusedError
            The key was used for another request. In each case nothing is recorded.
        """
        if key is None:
            return await self._start(arguments, None, is_from_page, values_from)
        known = await self._keys.find(key, arguments)
        if known is not None:
            return self._started_before(known)
        with self._keys.claim(key, arguments) as answer:
            started = await self._start(arguments, key, is_from_page, values_from)
            answer.set_result(started.exec_id)
        return started

    async def _start(self, arguments: RunArguments, key: Optional[str], is_from_page: bool,
                     values_from: Optional[str]) -> StartedExecution:
        is_typed = is_from_page and self._typed_values.are_typed(arguments.params, values_from)
        request = await check(arguments, self._contents, self._kernelspecs, key, is_typed)
        active = self._begin(request)
        await active.accepted()
        exec_id, path = active.execution.exec_id, active.execution.path
        if is_typed:
            self._typed_values.add(exec_id)
        return StartedExecution(exec_id, path, True, active.log.subscribe)

    def _begin(self, request: CheckedRequest) -> ActiveExecution:
        exec_id = str(uuid.uuid4())
        shown = replace(request.arguments, notebook=request.source.path)
        active = ActiveExecution(
            Execution(exec_id, shown, request.output_path, requested_at=events.now().timestamp()), request,
            self._slots.take(), self._equipment,
            on_end=self.prune_executions, on_gone=partial(self._active.pop, exec_id))
        self._active[exec_id] = active
        return active

    def _started_before(self, exec_id: str) -> StartedExecution:
        """Return the answer to a repeated request: how its execution is now, and the events from now on."""
        active = self._active.get(exec_id)
        log = ended_log() if active is None else active.log
        subscribe = partial(log.subscribe, since=log.last_number, first=self._state_event(exec_id))
        return StartedExecution(exec_id, self._store.get_model(exec_id)["path"], False, subscribe)

    def _state_event(self, exec_id: str) -> LoggedEvent:
        """Return the event that tells how an execution is now; it has the number of the last event so far."""
        model, active = self._store.get_model(exec_id), self._active.get(exec_id)
        position = 0 if active is None else active.position
        start_details, end_details = self._store.details(exec_id)
        event = events.state(model, position, start_details, split_details(end_details)[1])
        number = self._store.numbers(exec_id)[1] or 0 if active is None else active.log.last_number
        line = events.line(event)
        return LoggedEvent(number, event["event"], events.numbered(number, line) if number else line)

    # -- list, get, follow ------------------------------------------------------------------------

    async def list_executions(self, selection: Selection) -> ExecutionPage:
        """Return the models of the selected executions, serving other requests in between."""
        models: List[str] = []
        number = 0
        for page in self._store.pages(selection.after, selection.newest_first):
            for record, model in page:
                if selection.has_filter and not selection.takes(json.loads(model)):
                    continue
                if len(models) == selection.limit:
                    return ExecutionPage(models, number)
                models.append(model)
                number = record
            await asyncio.sleep(0)
        return ExecutionPage(models, None)

    def get_execution(self, exec_id: str) -> Model:
        """Return the model of one execution.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        return self._store.get_model(exec_id)

    def follow_execution(self, exec_id: str, since: int = 0, outputs: bool = False) -> LogReader:
        """Return a reader of the events of an execution after number `since`, up to its end.

        With `outputs`, they include the output of running cells.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.get_model(exec_id)
        active = self._active.get(exec_id)
        log = self._replays.start(exec_id) if active is None else active.log
        return log.subscribe(since, outputs)

    def has_more_events(self, exec_id: str, since: int) -> bool:
        """Whether an execution has, or may still get, events after number `since`.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.get_model(exec_id)
        active = self._active.get(exec_id)
        if active is not None:
            return not active.log.is_over(since)
        last = self._store.numbers(exec_id)[1]
        return last is None or since < last

    def follow_changes(self) -> ChangeEventReader:
        """Return a reader of the changes in the list from now on."""
        return self._change_events.subscribe()

    async def read_parameters(self, path: str) -> DefinedParameters:
        """Return the parameters that a notebook defines.

        Raises
        ------
        NotebookNotFoundError, NotebookUnreadableError, DefinitionError
            There is no such notebook, or its parameters cannot be read.
        """
        return await self._inspector.parameters(path)

    async def get_output(self, exec_id: str, kind: str, has_code: bool = True, is_partial: bool = False
                         ) -> OutputNotebook:
        """Return the output notebook of an execution, as ``ipynb`` or ``html``, without code if that is not wanted.

        With `is_partial`, it is what there is of it if the execution is running.

        Raises
        ------
        ExecutionNotFoundError, OutputPendingError, OutputNotFoundError, OutputNotConvertedError
            There is none, or it cannot be converted.
        """
        active = self._active.get(exec_id)
        if is_partial and active is not None and not active.execution.finished and active.log.has_cells:
            return await self._outputs.so_far(active, kind, has_code)
        return await self._outputs.get(exec_id, kind, has_code)

    # -- shut down, delete ------------------------------------------------------------------------

    async def shutdown_execution(self, exec_id: str, wait: bool) -> Model:
        """Shut an execution down and return its model, at once or, with `wait`, when its kernel is gone.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        model = self._store.get_model(exec_id)
        active = self._active.get(exec_id)
        if active is None:
            return model
        active.stop(SHUT_DOWN)
        if wait:
            await asyncio.shield(active.gone)
        return active.execution.model()

    def delete_execution(self, exec_id: str) -> asyncio.Future[Any]:
        """Delete an execution and shut it down; the future is done when its kernel is gone.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.delete_model(exec_id)
        self._changes.tell(events.DELETED, exec_id)
        return self._delete_active([exec_id])

    def delete_executions(self) -> Tuple[asyncio.Future[Any], List[str]]:
        """Delete all executions, including those not recorded yet, and shut them down.

        Returns a future that is done when all kernels are gone, and the ids.
        """
        starting = [exec_id for exec_id, active in self._active.items() if not active.is_deleted]
        recorded = self._store.delete_all()
        for exec_id in recorded:
            self._changes.tell(events.DELETED, exec_id)
        return self._delete_active(list(self._active)), list(dict.fromkeys([*recorded, *starting]))

    def _delete_active(self, exec_ids: List[str]) -> asyncio.Future[Any]:
        going = [self._active[exec_id] for exec_id in exec_ids if exec_id in self._active]
        for active in going:
            active.delete(DELETED)
        return asyncio.shield(asyncio.gather(*[active.gone for active in going]))

    def prune_executions(self) -> None:
        """Delete the finished executions that are not to be kept."""
        before = time.time() - self._keep_seconds if self._keep_seconds else None
        if self._keep_executions or before is not None:
            pruned = self._store.prune(self._keep_executions, before)
            for exec_id in pruned:
                self._changes.tell(events.DELETED, exec_id)
            if pruned:
                _log.debug("Removed %d finished executions from the list.", len(pruned))
