"""An execution under way: its slot, its runner, and the messages of the runner.

It belongs to the loop thread. Its readers make no difference to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple, Type

from ..engines.local.connection import Connection, Payload, whole
from ..errors import (
    DefinitionError,
    ExecutionError,
    ExecutionStoppedError,
    InvalidArgumentError,
    KernelRefusedError,
    OutputNotWrittenError,
    RunnerDiedError,
    ServerGoneError,
)
from ..execution import Execution
from ..protocol import (
    BadDefinition,
    CellEvent,
    CellOutput,
    End,
    Ended,
    Failed,
    Go,
    KernelStarted,
    Message,
    OutputTarget,
    Readable,
    RebuildRequest,
    Refused,
    Retried,
    RunRequest,
    Unreadable,
    Watch,
)
from ..run_variables import run_variables
from . import metrics
from .change_feed import ChangeFeed
from .checked_request import CheckedRequest
from .engine import Engine
from .event_log import EventLog
from .inspector import Inspector, error_in
from .kernelspecs import KernelSpecs, Spec
from .lifecycle import Lifecycle
from .places import Notebooks, Source
from .recovery import Recovery
from .slots import Slots, Ticket, has_slot
from .store import ExecutionStore

_log = logging.getLogger("nbexec")
_ATTEMPTS = 3  # after which a runner that is lost before the first cell is an error
_STUBBORN = 15.0  # seconds after which a runner that does not stop is killed
_PROMPT = 1.0  # seconds without a runner after which an execution counts as waiting
_BEFORE_THE_FIRST_CELL = (Readable, Retried, KernelStarted)


@dataclass(frozen=True)
class Equipment:
    """The parts of the server that all executions share."""

    engine: Engine
    store: ExecutionStore
    contents: Notebooks
    kernelspecs: KernelSpecs
    slots: Slots
    inspector: Inspector
    recovery: Recovery
    changes: ChangeFeed


class ActiveExecution:
    """An execution that has not ended, or whose runner or kernel is still there.

    Parameters
    ----------
    execution : Execution
        Its model.
    request : CheckedRequest
        The request.
    ticket : Ticket
        For its slot.
    equipment : Equipment
        The parts of the server.
    on_end : callable
        Called when the execution has its final state.
    on_gone : callable
        Called when its runner and its kernel are gone.
    """

    def __init__(self, execution: Execution, request: CheckedRequest, ticket: Ticket[None], equipment: Equipment,
                 on_end: Callable[[], None], on_gone: Callable[[], object]) -> None:
        self.log = EventLog(self._watch_outputs)
        self._request = request
        self._ticket = ticket
        self._equipment = equipment
        self._on_gone = on_gone
        self._lifecycle = Lifecycle(execution, request.arguments, request.key, self.log, equipment.store,
                                    equipment.changes, on_end)
        self._connection: Optional[Connection] = None
        self._launching: Optional[asyncio.Future[Connection]] = None
        self._spec = request.spec  # if the request names the kernel, or the request was checked
        self._stop_reason: Optional[str] = None
        self._has_outputs = False  # which its runner can send
        self.gone = asyncio.ensure_future(self._follow())

    # -- for the manager --------------------------------------------------------------------------

    @property
    def execution(self) -> Execution:
        """Its model."""
        return self._lifecycle.execution

    @property
    def position(self) -> int:
        """Its position in the line for a slot; 0 if it does not wait."""
        return self._equipment.slots.position(self._ticket)

    async def accepted(self) -> None:
        """Wait until the request is accepted.

        Raises
        ------
        InvalidArgumentError, DefinitionError, KernelRefusedError
            It is refused.
        """
        await asyncio.shield(self._lifecycle.accepted)

    @property
    def is_deleted(self) -> bool:
        """Whether it was deleted."""
        return self._lifecycle.is_deleted

    def delete(self, reason: str) -> None:
        """Stop, and record nothing more."""
        self._lifecycle.is_deleted = True
        self.stop(reason)

    def stop(self, reason: str) -> None:
        """Make the runner save the output so far and exit; if it does not, kill it."""
        if self._stop_reason is not None:
            return
        self._stop_reason = reason
        if not self._ticket.done():
            self._ticket.set_exception(ExecutionStoppedError(reason))
        if self._connection is not None:
            self._connection.send(End(reason))
        elif self._launching is not None and not self._equipment.engine.is_prompt:
            self._launching.cancel()
        asyncio.get_event_loop().call_later(_STUBBORN, self._kill)

    def _kill(self) -> None:
        if self._connection is not None and not self.gone.done():
            _log.warning("The runner of execution %s does not stop; killing it.", self.execution.exec_id)
            self._connection.kill()

    # -- from start to end ------------------------------------------------------------------------

    async def _follow(self) -> None:
        error: Optional[ExecutionError] = None
        try:
            await self._go_through()
        except ExecutionError as caught:
            error = caught
        except Exception as caught:
            _log.exception("nbexec failed while it followed execution %s", self.execution.exec_id)
            error = ExecutionError(f"internal error in nbexec: {type(caught).__name__}: {caught}")
        await self._lifecycle.finish(error)
        self._equipment.slots.leave(self._ticket, time.monotonic() - self._lifecycle.has_slot_since)
        self._on_gone()
        self.log.release()
        self._equipment.recovery.forget(self.execution)

    async def _go_through(self) -> None:
        """Wait for a slot and have a runner run the notebook.

        Raises
        ------
        RunnerDiedError
            The runner is gone; this does not matter if the final state is known.
        """
        await self._equipment.contents.load(self._request.source)
        if not has_slot(self._ticket) or not self._equipment.engine.is_prompt:
            await self._check_and_wait()
        if self._lifecycle.is_refused:
            return
        self._lifecycle.has_slot_since = time.monotonic()
        for attempt in range(_ATTEMPTS):
            if attempt:
                metrics.RETRIES.inc()
                _log.warning("Execution %s is starting another runner process: one exited before the first cell.",
                             self.execution.exec_id)
            has_begun = await self._attempt()
            how = "" if self._lifecycle.is_over else await self._how_runner_ended()
            if has_begun:
                return await self._end_without_runner(RunnerDiedError(f"the runner process died{how}"))
        raise RunnerDiedError(f"the runner process exited before the first cell ({_ATTEMPTS} attempts){how}")

    async def _end_without_runner(self, error: RunnerDiedError) -> None:
        """End an execution whose runner is lost, with its output as far as there is any.

        Raises
        ------
        RunnerDiedError
            There is none.
        """
        if self._lifecycle.is_over:
            return
        metrics.LOST.labels(self._equipment.engine.name, self.execution.where or "").inc()
        left = await self._equipment.recovery.left(self.execution)
        if left is not None:
            if left.kind == ServerGoneError.__name__:  # which is what the runner thinks
                left.error, left.kind = str(error), type(error).__name__
            await self._take_ended(left, b"")
        elif self.log.has_cells:
            await self._rebuild(str(error))
        raise error

    async def _rebuild(self, reason: str) -> None:
        """Have the output written that the runner has told of."""
        with suppress(RunnerDiedError):
            async for message, payload in self._equipment.inspector.ask(*self.rebuild_request(reason)):
                if isinstance(message, Ended):
                    await self._take_ended(message, payload)

    def rebuild_request(self, reason: str) -> Tuple[RebuildRequest, Source, bytes]:
        """Return what a runner needs to make the output so far, from what another one has told."""
        request, source = self._run_request(), self._request.source
        wanted = RebuildRequest(**vars(request), reason=reason, notebook_size=len(source.content), spec=self._spec)
        return wanted, source, self.log.cell_lines()

    async def _check_and_wait(self) -> None:
        """Check the request here, and have a runner started elsewhere meanwhile if there is a slot for it."""
        if has_slot(self._ticket):
            self._begin_launch()
        try:
            await self._wait_in_line()
        except BaseException:
            await self._do_without_runner()
            raise
        if self._lifecycle.is_refused:
            await self._do_without_runner()

    def _begin_launch(self) -> asyncio.Future[Connection]:
        self._launching = asyncio.ensure_future(self._equipment.engine.launch(needs_kernel=True, spec=self._spec))
        return self._launching

    async def _do_without_runner(self) -> None:
        launching, self._launching = self._launching, None
        if launching is not None:
            launching.cancel()
            with suppress(asyncio.CancelledError, ExecutionError):
                (await launching).close()

    async def _wait_in_line(self) -> None:
        """Check the request, so that a bad one does not wait in vain, and wait for a slot."""
        try:
            checked = await self._equipment.inspector.check(self._run_request(), self._request.source)
            self._lifecycle.describe(checked)
            spec, _ = await self._choose_kernel(checked)
            if self._equipment.engine.needs(spec) != self._equipment.engine.needs(self._spec):
                await self._do_without_runner()
            self._spec = spec
        except (InvalidArgumentError, DefinitionError, KernelRefusedError) as error:
            return self._lifecycle.refuse(error)
        if not self._ticket.done():
            await self._lifecycle.wait_in_line(self.position, self._equipment.engine.problems())
        await self._ticket

    async def _attempt(self) -> bool:
        """Have a runner run the notebook; return whether it got to the first cell. If not, another may try."""
        engine = self._equipment.engine
        request, content = await engine.adapted(self._run_request(), self._request.source.content)
        self._connection = await self._launch()
        self._connection.send(request, content)
        has_begun = False
        async for message, payload in self._connection.messages():
            has_begun = (has_begun or not self._connection.tells_all
                         or not isinstance(message, _BEFORE_THE_FIRST_CELL))
            try:
                await self._TAKES[type(message)](self, message, payload)
            except EOFError:
                pass  # the runner is gone in the middle of a message, which ends the loop
        return has_begun

    async def _launch(self) -> Connection:
        """Return the connection to a runner; tell that the execution waits if there is none for it yet.

        Raises
        ------
        RunnerDiedError, ExecutionStoppedError
            It cannot be started, or is not wanted any more.
        """
        engine = self._equipment.engine
        launching = self._launching or self._begin_launch()
        if not engine.is_prompt:
            await asyncio.wait([launching], timeout=_PROMPT)
            if not launching.done() and not self._lifecycle.accepted.done():
                await self._lifecycle.wait_in_line(1, engine.problems())
        try:
            return await launching
        except asyncio.CancelledError:
            if self._stop_reason is None:
                raise
            raise ExecutionStoppedError(self._stop_reason) from None
        finally:
            self._launching = None

    async def _how_runner_ended(self) -> str:
        how = await self._equipment.engine.how_ended(self._connection) if self._connection else ""
        return f": {how}" if how else ""

    def _run_request(self) -> RunRequest:
        request, output = self._request, self._request.output
        target = None if output.directory is None else OutputTarget(
            output.directory.as_dict(), output.name, output.if_failed().name, output.overwrite)
        return RunRequest(
            **self._equipment.inspector.common(request.source), exec_id=self.execution.exec_id,
            arguments=request.arguments, is_typed=request.is_typed, output=target,
            note=self._equipment.recovery.note_of(self.execution),
            variables=run_variables(self.execution.exec_id, request.source.path, request.output_path))

    async def _choose_kernel(self, message: Readable) -> Tuple[Spec, List[str]]:
        """Return the kernelspec for the notebook, and warnings about the choice."""
        if self._request.spec is not None:
            return self._request.spec, []
        return await self._equipment.kernelspecs.for_notebook(message.kernel_name, message.language)

    # -- messages of the runner -------------------------------------------------------------------

    async def _take_refusal(self, message: Message, payload: Payload) -> None:
        error = error_in(message)
        assert error is not None
        self._lifecycle.refuse(error)

    async def _take_failure(self, message: Message, payload: Payload) -> None:
        error = error_in(message)
        assert isinstance(error, ExecutionError)
        await self._lifecycle.finish(error)

    async def _take_readable(self, message: Readable, payload: Payload) -> None:
        """Choose the kernel, and tell the runner to begin."""
        assert self._connection is not None
        self._lifecycle.describe(message)
        try:
            spec, warnings = await self._choose_kernel(message)
        except (InvalidArgumentError, KernelRefusedError) as error:
            self._connection.send(End(str(error)))
            return self._lifecycle.refuse(error)
        if self._stop_reason is not None:
            return self._connection.send(End(self._stop_reason))
        engine = self._equipment.engine
        self._spec = spec
        self._connection.send(Go(engine.for_workers(spec), engine.fork_server_for(spec)))
        self._begin_outputs()
        await self._lifecycle.start(spec["name"], self._connection.worker, warnings)

    async def _take_retried(self, message: Retried, payload: Payload) -> None:
        metrics.RETRIES.inc()
        _log.warning("Execution %s is starting another kernel: %s", self.execution.exec_id, message.reason)

    async def _take_kernel_started(self, message: KernelStarted, payload: Payload) -> None:
        worker = self.execution.where
        where = f", on the worker {worker}" if worker else ""
        _log.info("Execution %s runs on kernel %s%s: %s.", self.execution.exec_id, message.name, where, message.how)

    async def _take_cell_event(self, message: CellEvent, payload: Payload) -> None:
        await self._lifecycle.progress(message, payload)

    async def _take_cell_output(self, message: CellOutput, payload: Payload) -> None:
        self.log.show(await whole(payload), message.whole)

    async def _take_ended(self, message: Ended, payload: Payload) -> None:
        self._has_outputs = False
        error = None if message.error is None else ExecutionError(message.error)
        name = message.output_name
        if payload:
            try:
                output = self._request.output if error is None else self._request.output.if_failed()
                name = await self._equipment.contents.save(await whole(payload), output, self._request.source)
            except OutputNotWrittenError as failure:
                error = failure if error is None else ExecutionError(f"{error}\n{failure}")
        output_path = None if name is None else self._request.output.path(name)
        await self._lifecycle.finish(error, output_path, message)

    _TAKES: Dict[Type[Message], Any] = {
        Refused: _take_refusal, BadDefinition: _take_refusal, Unreadable: _take_failure, Failed: _take_failure,
        Readable: _take_readable, Retried: _take_retried, KernelStarted: _take_kernel_started,
        CellEvent: _take_cell_event, CellOutput: _take_cell_output, Ended: _take_ended}

    # -- output of the running cell ---------------------------------------------------------------

    def _begin_outputs(self) -> None:
        """Ask for the output of running cells from now on, if a reader wants it."""
        self._has_outputs = True
        if self.log.is_watched:
            self._watch_outputs(True)

    def _watch_outputs(self, wanted: bool) -> None:
        if self._has_outputs and self._connection is not None:
            self._connection.send(Watch(wanted))
