"""Starts, lists, shuts down and deletes executions.

The manager is the only writer of an `Execution`, and works on the loop thread alone. What a run finds out comes
up to it as facts; who reads the events of an execution never matters to the execution.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import Any, Dict, List, Optional, Tuple, Type

from .. import events
from ..engines.local.connection import Payload, whole
from ..engines.local.launcher import Launcher
from ..errors import (
    DefinitionError,
    ExecutionError,
    ExecutionNotFoundError,
    InvalidArgumentError,
    KernelRefusedError,
    NbExecError,
    OutputNotWrittenError,
    RunnerDiedError,
)
from ..execution import COMPLETED, EXECUTING, INITIALIZING, RECORDED_DETAILS, Execution, RunArguments, error_status
from ..files.notebooks import failed_name
from ..protocol import (
    BadDefinition,
    CellEvent,
    End,
    Ended,
    Failed,
    Go,
    KernelStarted,
    Message,
    Output,
    OutputTarget,
    Readable,
    Refused,
    Retried,
    RunRequest,
    Settings,
    Unreadable,
)
from . import metrics
from .active import Run
from .change_feed import Change, Changes
from .contents import Contents
from .event_log import EventLog, Numbered
from .idempotency import IdempotencyKeys
from .inspector import Inspector, error_in
from .kernelspecs import KernelSpecs, Spec
from .recovery import Recovery
from .replay import Replays
from .slots import Slots, has_slot
from .store import ExecutionStore, Model
from .typed_values import TypedValues

_log = logging.getLogger("nbexec")
_ATTEMPTS = 3  # as often a runner may be lost before the first cell
_BEFORE_THE_FIRST_CELL = (Readable, Retried, KernelStarted)
SHUT_DOWN = "the execution was shut down"
DELETED = "the execution was deleted"


class ExecutionManager:
    """The executions of a server.

    Parameters
    ----------
    launcher : Launcher
        Starts runners.
    store : ExecutionStore
        Keeps the models.
    contents : Contents
        Finds notebooks.
    kernelspecs : KernelSpecs
        Finds kernels.
    slots : Slots
        How many executions may run at once.
    settings : Settings
        What every runner is told besides.
    keep_executions : int
        How many finished executions are kept; 0 is all.
    keep_seconds : float
        How long they are kept; 0 is for ever.
    """

    def __init__(self, launcher: Launcher, store: ExecutionStore, contents: Contents, kernelspecs: KernelSpecs,
                 slots: Slots, settings: Settings, keep_executions: int = 0, keep_seconds: float = 0) -> None:
        self._launcher = launcher
        self._store = store
        self._contents = contents
        self._kernelspecs = kernelspecs
        self._slots = slots
        self._keep_executions = keep_executions
        self._keep_seconds = keep_seconds
        self.changes = Changes()
        self.inspector = Inspector(launcher, contents, settings)
        self._keys = IdempotencyKeys(store)
        self.typed_values = TypedValues(store)
        self._recovery = Recovery(store, partial(self.changes.tell, events.ENDED))
        self._replays = Replays(store, contents, self.inspector, self.changes)
        self._runs: Dict[str, Run] = {}
        self._last_change: Tuple[Optional[Change], bytes] = None, b""
        self._recovery.begin()
        metrics.RUNNING.set_function(lambda: self._slots.taken)
        metrics.QUEUED.set_function(lambda: self._slots.waiting)

    @property
    def busy(self) -> bool:
        """Whether any execution has not gone yet."""
        return bool(self._runs)

    # -- the API ----------------------------------------------------------------------------------

    async def list_executions(self) -> str:
        """Return the models of all executions as a JSON list; other requests are served meanwhile."""
        pages = []
        for page in self._store.pages():
            pages.append(page)
            await asyncio.sleep(0)
        return f"[{', '.join(pages)}]"

    def get_execution(self, exec_id: str) -> Model:
        """Return the model of one execution.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        return self._store.get_model(exec_id)

    async def start_execution(self, arguments: RunArguments, key: Optional[str] = None, is_typed: bool = False) -> Run:
        """Start an execution and return as soon as it is clear that it can be run.

        `is_typed` says that the values of its parameters were typed into a page of this server.

        Raises
        ------
        NotebookNotFoundError
            There is no such notebook.
        InvalidArgumentError, DefinitionError
            The request cannot be followed.
        TooManyExecutionsError
            It would have to wait, and too many do already. In each case nothing is recorded.
        """
        if key is None:
            return await self._start(arguments, None, is_typed)
        self._keys.begin(key, arguments)
        try:
            run = await self._start(arguments, key, is_typed)
        except Exception as error:
            self._keys.end(key, error=error)
            raise
        self._keys.end(key, run.execution.exec_id)
        return run

    async def _start(self, arguments: RunArguments, key: Optional[str], is_typed: bool) -> Run:
        self._kernelspecs.check_local()
        source = await self._contents.source(arguments.notebook)
        output = await self._contents.output(arguments.output_path, arguments.overwrite, source)
        if arguments.failed_apart and output.name is not None:
            output.failed_name = failed_name(output.name)
        kernel_name = arguments.jupyter_kernel
        spec = None if kernel_name is None else await self._kernelspecs.requested(kernel_name)
        execution = Execution(
            exec_id=str(uuid.uuid4()), path=source.path,
            output_path=None if output.name is None else output.path(output.name), overwrite=arguments.overwrite,
            jupyter_kernel=kernel_name, cell_timeout=arguments.cell_timeout)
        run = Run(execution, arguments, source, output, spec, self._slots.take(), key, is_typed)
        self._runs[execution.exec_id] = run
        asyncio.ensure_future(self._follow(run))
        await run.accepted
        if is_typed:
            self.typed_values.add(execution.exec_id)
        return run

    async def started_before(self, key: str, arguments: RunArguments) -> Optional[str]:
        """Return the id of the execution that the same request with this key has started, or None.

        Raises
        ------
        IdempotencyKeyReusedError
            The key came with another request.
        NbExecError
            The request came a moment ago, and was refused.
        """
        return await self._keys.find(key, arguments)

    def run_of(self, exec_id: str) -> Optional[Run]:
        """Return what is still there of an execution."""
        return self._runs.get(exec_id)

    def current_event(self, exec_id: str) -> Numbered:
        """Return the event that tells how an execution is now, with the number of the last one that has happened.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        model = self._store.get_model(exec_id)
        start_facts, end_facts = self._store.facts(exec_id)
        run = self._runs.get(exec_id)
        if model["status"] == INITIALIZING:
            position = 0 if run is None else self._slots.position(run.place)
            event = events.notebook_queue(model, position)
        elif model["status"] == EXECUTING:
            event = events.notebook_start(model, **start_facts)
        else:
            event = events.notebook_end(model, **end_facts)
        number = self._store.numbers(exec_id)[1] or 0 if run is None else run.log.last_number
        line = events.line(event)
        return number, events.numbered(number, line) if number else line

    def log_of(self, exec_id: str) -> EventLog:
        """Return the events of an execution, from its start to its end.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.get_model(exec_id)
        run = self._runs.get(exec_id)
        return self._replays.start(exec_id) if run is None else run.log

    def is_over(self, exec_id: str, since: int) -> bool:
        """Whether an execution has no event after number `since`, and will have none.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.get_model(exec_id)
        run = self._runs.get(exec_id)
        if run is not None:
            return run.log.is_over(since)
        last = self._store.numbers(exec_id)[1]
        return last is not None and since >= last

    def change_event(self, change: Change) -> bytes:
        """Return the event that tells of a change, as a line, empty if something else has happened since."""
        if self._last_change[0] != change:  # those who read at the same time share it
            self._last_change = change, self._change_line(change)
        return self._last_change[1]

    def _change_line(self, change: Change) -> bytes:
        if change.name == events.DELETED:
            return events.line(events.change(*change))
        try:
            return events.line(events.change(*change, model=self._store.get_model(change.exec_id)))
        except ExecutionNotFoundError:
            return b""

    async def shutdown_execution(self, exec_id: str, wait: bool) -> Model:
        """Shut an execution down and return its model, at once or when its kernel is gone.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        model = self._store.get_model(exec_id)
        run = self._runs.get(exec_id)
        gone = self._stop(exec_id, SHUT_DOWN)
        if wait:
            await gone
        return model if run is None else run.execution.model()

    def delete_execution(self, exec_id: str) -> asyncio.Future[None]:
        """Forget an execution and shut it down; the result is there when its kernel is gone.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.delete_model(exec_id)
        self.changes.tell(events.DELETED, exec_id)
        return self._delete_run(exec_id)

    def delete_executions(self) -> Tuple[asyncio.Future[List[None]], List[str]]:
        """Do the same with all executions, those included that are just starting; their ids come second."""
        starting = [exec_id for exec_id, run in self._runs.items() if not run.deleted]
        recorded = self._store.delete_all()
        for exec_id in recorded:
            self.changes.tell(events.DELETED, exec_id)
        gone = asyncio.gather(*[self._delete_run(exec_id) for exec_id in list(self._runs)])
        return gone, list(dict.fromkeys([*recorded, *starting]))

    def close(self) -> None:
        """Let all runners save what they have and go, because the server stops."""
        self._launcher.close()
        self._store.close()

    def _delete_run(self, exec_id: str) -> asyncio.Future[None]:
        if exec_id in self._runs:
            self._runs[exec_id].deleted = True
        return self._stop(exec_id, DELETED)

    def _stop(self, exec_id: str, reason: str) -> asyncio.Future[None]:
        run = self._runs.get(exec_id)
        if run is not None:
            run.stop(reason)
            return asyncio.shield(run.gone)
        done: asyncio.Future[None] = asyncio.get_event_loop().create_future()
        done.set_result(None)
        return done

    # -- what is kept -----------------------------------------------------------------------------

    def prune(self) -> None:
        """Forget what is kept no longer than configured."""
        before = time.time() - self._keep_seconds if self._keep_seconds else None
        if self._keep_executions or before is not None:
            pruned = self._store.prune(self._keep_executions, before)
            for exec_id in pruned:
                self.changes.tell(events.DELETED, exec_id)
            if pruned:
                _log.debug("Removed %d finished executions from the list.", len(pruned))

    # -- one run ----------------------------------------------------------------------------------

    async def _follow(self, run: Run) -> None:
        """Be there for a run from its start until nothing of it is left."""
        error: Optional[ExecutionError] = None
        try:
            await self._go_through(run)
        except ExecutionError as caught:
            error = caught
        except Exception as caught:
            _log.exception("nbexec failed while it followed execution %s", run.execution.exec_id)
            error = ExecutionError(f"internal error in nbexec: {type(caught).__name__}: {caught}")
        await self._finish(run, error)
        self._slots.leave(run.place, time.monotonic() - run.began)
        del self._runs[run.execution.exec_id]
        run.log.release()
        self._recovery.forget(run.execution)
        run.gone.set_result(None)

    async def _go_through(self, run: Run) -> None:
        """Wait for a slot and let a runner run the notebook.

        Raises
        ------
        RunnerDiedError
            There is no runner any more; that does not matter when it has said how it ended.
        """
        await self._contents.load(run.source)
        if not has_slot(run.place):
            await self._wait_in_line(run)
        if run.refused:
            return
        run.began = time.monotonic()
        for attempt in range(_ATTEMPTS):
            if attempt:
                metrics.RETRIES.inc()
                _log.warning("Execution %s is starting another runner process: one exited before the first cell.",
                             run.execution.exec_id)
            begun = await self._attempt(run)
            how = "" if run.execution.finished or run.refused else await self._how_runner_ended(run)
            if begun:
                raise RunnerDiedError(f"the runner process died{how}")
        raise RunnerDiedError(f"the runner process exited before the first cell ({_ATTEMPTS} attempts){how}")

    async def _how_runner_ended(self, run: Run) -> str:
        how = await self._launcher.how_ended(run.connection.pid if run.connection else None)
        return f": {how}" if how else ""

    async def _wait_in_line(self, run: Run) -> None:
        """Have the request checked, for nobody should wait in vain, and wait for a slot."""
        try:
            checked = await self.inspector.check(self._request(run), run.source)
            run.hide(checked.secret)
            await self._choose_kernel(run, checked)
        except (InvalidArgumentError, DefinitionError, KernelRefusedError) as error:
            return self._refuse(run, error)
        if not run.place.done():
            self._save(run)
            await self._tell(run, events.notebook_queue(run.execution.model(), self._slots.position(run.place)))
            run.accepted.set_result(None)
        await run.place

    async def _attempt(self, run: Run) -> bool:
        """Let a runner run the notebook; tell whether it came to the first cell, for otherwise another one may try."""
        run.connection = await self._launcher.launch(needs_kernel=True)
        run.connection.send(self._request(run), run.source.content)
        begun = False
        async for message, payload in run.connection.messages():
            begun = begun or not isinstance(message, _BEFORE_THE_FIRST_CELL)
            try:
                await self._TAKES[type(message)](self, run, message, payload)
            except EOFError:
                pass  # the runner has gone before it had said all of it, as the next look shows
        return begun

    def _request(self, run: Run) -> RunRequest:
        output = run.output
        target = None if output.place is None else OutputTarget(
            output.place.as_dict(), output.name, output.of_failed_run().name, output.overwrite)
        request = RunRequest(
            **self.inspector.common(run.source), exec_id=run.execution.exec_id, params=run.arguments.params,
            is_typed=run.is_typed, output=target, note=self._recovery.note_of(run.execution))
        if run.execution.cell_timeout is not None:
            request.settings = replace(request.settings, cell_timeout=run.execution.cell_timeout)
        return request

    async def _refused(self, run: Run, message: Message, payload: Payload) -> None:
        error = error_in(message)
        assert error is not None
        self._refuse(run, error)

    async def _failed(self, run: Run, message: Message, payload: Payload) -> None:
        error = error_in(message)
        assert isinstance(error, ExecutionError)
        await self._finish(run, error)

    async def _readable(self, run: Run, message: Readable, payload: Payload) -> None:
        """The notebook can be run: choose its kernel, and let it go."""
        assert run.connection is not None
        run.hide(message.secret)
        try:
            spec, warnings = await self._choose_kernel(run, message)
        except (InvalidArgumentError, KernelRefusedError) as error:
            run.connection.send(End(str(error)))
            return self._refuse(run, error)
        if run.stop_reason is not None:
            return run.connection.send(End(run.stop_reason))
        run.connection.send(Go(spec, self._launcher.fork_server_for(spec)))
        run.begin_outputs()
        if run.execution.started_at is None:  # or another runner has started it already
            run.execution.start_facts = {"warnings": warnings} if warnings else {}
            await self._started(run)

    async def _choose_kernel(self, run: Run, message: Readable) -> Tuple[Spec, List[str]]:
        """Return the kernelspec for a notebook, and what there is to say about it."""
        if run.spec is not None:
            return run.spec, []
        return await self._kernelspecs.for_notebook(message.kernel_name, message.language)

    async def _retried(self, run: Run, message: Retried, payload: Payload) -> None:
        metrics.RETRIES.inc()
        _log.warning("Execution %s is starting another kernel: %s", run.execution.exec_id, message.reason)

    async def _kernel_started(self, run: Run, message: KernelStarted, payload: Payload) -> None:
        _log.info("Execution %s has its kernel, %s: %s.", run.execution.exec_id, message.name, message.how)

    async def _cell_event(self, run: Run, message: CellEvent, payload: Payload) -> None:
        if run.execution.progress is None:
            metrics.FIRST_CELL.observe(time.monotonic() - run.requested)
        run.execution.progress = message.progress
        if message.source is not None:
            run.execution.last_cell_source = message.source
        self._save(run)
        await run.log.append(payload)

    async def _output(self, run: Run, message: Output, payload: Payload) -> None:
        run.log.show(await whole(payload), message.whole)

    async def _ended(self, run: Run, message: Ended, payload: Payload) -> None:
        run.end_outputs()
        error = None if message.error is None else ExecutionError(message.error)
        name = message.output_name
        if payload:
            try:
                output = run.output if error is None else run.output.of_failed_run()
                name = await self._contents.save(await whole(payload), output, run.source)
            except OutputNotWrittenError as failure:
                error = failure if error is None else ExecutionError(f"{error}\n{failure}")
        if error is None:
            run.execution.progress = message.progress
        if message.kind == "KernelDiedError":
            metrics.KERNEL_DEATHS.inc()
        await self._finish(run, error, name, message.details, message.kind)

    _TAKES: Dict[Type[Message], Any] = {
        Refused: _refused, BadDefinition: _refused, Unreadable: _failed, Failed: _failed, Readable: _readable,
        Retried: _retried, KernelStarted: _kernel_started, CellEvent: _cell_event, Output: _output, Ended: _ended}

    # -- changes of an execution ------------------------------------------------------------------

    def _save(self, run: Run) -> None:
        if run.deleted:
            return
        self._store.save(run.execution, run.key)
        run.key = None
        name = events.ENDED if run.execution.finished else events.PROGRESS if run.is_known else events.STARTED
        run.is_known = True
        self.changes.tell(name, run.execution.exec_id)

    def _refuse(self, run: Run, error: NbExecError) -> None:
        """Take back a run that was never recorded; one that had to wait and is refused only now is at its end.

        Raises
        ------
        ExecutionError
            It has been accepted before.
        """
        if run.accepted.done():
            raise ExecutionError(str(error)) from error
        run.refused = True
        run.accepted.set_exception(error)

    async def _started(self, run: Run) -> None:
        execution = run.execution
        execution.status = EXECUTING
        execution.started_at = events.now().timestamp()
        execution.start_number = run.log.last_number + 1
        self._save(run)
        await self._tell(run, events.notebook_start(execution.model(), **execution.start_facts))
        if not run.accepted.done():
            run.accepted.set_result(None)
        _log_fact("start", run, waited=round(time.monotonic() - run.requested, 3))

    async def _finish(self, run: Run, error: Optional[ExecutionError], output_name: Optional[str] = None,
                      details: Optional[Dict[str, Any]] = None, kind: Optional[str] = None) -> None:
        """Give a run its final state, once."""
        execution = run.execution
        if execution.finished or run.refused:
            return
        execution.status = COMPLETED if error is None else error_status(str(error))
        execution.completed_at = events.now().timestamp()
        execution.end_number = run.log.last_number + 1
        execution.end_facts = {name: details[name] for name in RECORDED_DETAILS if details and name in details}
        execution.output_path = None if output_name is None else run.output.path(output_name)
        self._save(run)
        await self._tell(run, events.notebook_end(execution.model(), **(details or {})))
        run.log.close()
        if not run.accepted.done():
            run.accepted.set_result(None)
        self._account(run, kind or (type(error).__name__ if error else None))
        self.prune()

    async def _tell(self, run: Run, event: events.Event) -> None:
        await run.log.append(events.line(event))

    def _account(self, run: Run, kind: Optional[str]) -> None:
        """Count and log the end of an execution."""
        state = "error" if kind else "completed"
        seconds = time.monotonic() - run.began
        metrics.EXECUTIONS.labels(state).inc()
        metrics.EXECUTION.observe(seconds)
        _log_fact("end", run, state=state, error=kind, seconds=round(seconds, 3), cells=run.execution.progress,
                  output_path=run.execution.output_path)


def _log_fact(what: str, run: Run, **facts: Any) -> None:
    """Log what happened to an execution so that programs can read it; no value of a parameter is in it."""
    facts = {"exec_id": run.execution.exec_id, "path": run.execution.path, **facts}
    _log.info("execution %s %s", what, json.dumps({name: fact for name, fact in facts.items() if fact is not None}))
