"""Starts, lists, shuts down and deletes executions.

The manager is the only writer of an `Execution`, and works on the loop thread alone. What a run finds out comes
up to it as facts; who reads the events of an execution never matters to the execution.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any, Dict, List, Optional

from tornado.queues import Queue

from . import events
from .arguments import RunArguments
from .connection import Connection
from .contents import Contents, Output, Source
from .errors import (
    DefinitionError,
    ExecutionError,
    InvalidArgumentError,
    NbExecError,
    NotebookUnreadableError,
    OutputNotWrittenError,
    RunnerDiedError,
)
from .execution import COMPLETED, EXECUTING, Execution, error_status
from .kernelspecs import KernelSpecs, Spec
from .launcher import Launcher
from .store import ExecutionStore, Model

_log = logging.getLogger("nbexec")
_ATTEMPTS = 3  # as often a runner may be lost before the first cell
_BEFORE_THE_FIRST_CELL = ("readable", "retried", "kernel")
_STUBBORN = 15.0  # seconds that a runner may take to stop before it is killed
SHUT_DOWN = "the execution was shut down"
DELETED = "the execution was deleted"


class Run:
    """An execution of which something is still there: its runner, its kernel.

    Parameters
    ----------
    execution : Execution
        Its model.
    source : Source
        The notebook.
    output : Output
        Where the output notebook goes.
    spec : dict, optional
        The kernelspec that was asked for.
    streamed : bool
        Whether somebody reads all events.
    """

    def __init__(self, execution: Execution, source: Source, output: Output, spec: Optional[Spec],
                 streamed: bool) -> None:
        loop = asyncio.get_event_loop()
        self.execution = execution
        self.source = source
        self.output = output
        self.spec = spec
        self.first_event = b""
        self.events: Optional[Queue[Optional[bytes]]] = Queue() if streamed else None
        self.connection: Optional[Connection] = None
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.stop_reason: Optional[str] = None
        self.refused = False
        self.deleted = False

    def emit(self, line: Optional[bytes]) -> None:
        """Pass an event on to whoever reads; None is the end. Nobody is waited for."""
        self.first_event = self.first_event or line or b""
        if self.events is not None:
            self.events.put_nowait(line)

    def unsubscribe(self) -> None:
        """Keep no events any more; who waits for one is told that there are none."""
        if self.events is not None:
            self.events.put_nowait(None)
            self.events = None

    def stop(self, reason: str) -> None:
        """Let the runner end, now if it has to be."""
        if self.stop_reason is not None:
            return
        self.stop_reason = reason
        if self.connection is not None:
            self.connection.send({"do": "end", "reason": reason})
        asyncio.get_event_loop().call_later(_STUBBORN, self._kill)

    def _kill(self) -> None:
        if self.connection is not None and not self.gone.done():
            _log.warning("The runner of execution %s does not stop and is killed.", self.execution.exec_id)
            self.connection.kill()


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
    settings : dict
        What a runner is told besides: `startup_timeout` and `shutdown_timeout` in seconds, and `notary`.
    """

    def __init__(self, launcher: Launcher, store: ExecutionStore, contents: Contents, kernelspecs: KernelSpecs,
                 settings: Dict[str, Any]) -> None:
        self._launcher = launcher
        self._store = store
        self._contents = contents
        self._kernelspecs = kernelspecs
        self._settings = settings
        self._runs: Dict[str, Run] = {}

    @property
    def busy(self) -> bool:
        """Whether any execution has not gone yet."""
        return bool(self._runs)

    # -- the API ----------------------------------------------------------------------------------

    async def list_(self) -> str:
        """Return the models of all executions as a JSON list; other requests are served meanwhile."""
        pages = []
        for page in self._store.pages():
            pages.append(page)
            await asyncio.sleep(0)
        return f"[{', '.join(pages)}]"

    def get_(self, exec_id: str) -> Model:
        """Return the model of one execution.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        return self._store.get_(exec_id)

    async def start_(self, arguments: RunArguments, streamed: bool) -> Run:
        """Start an execution and return as soon as it is clear that it can be run.

        Raises
        ------
        NotebookNotFoundError
            There is no such notebook.
        InvalidArgumentError, DefinitionError
            The request cannot be followed. Nothing is recorded.
        """
        source = await self._contents.source(arguments.notebook)
        output = await self._contents.output(arguments.output_path, arguments.overwrite, source)
        kernel_name = arguments.jupyter_kernel
        spec = None if kernel_name is None else await self._kernelspecs.requested(kernel_name)
        execution = Execution(
            exec_id=str(uuid.uuid4()), path=source.path, params=arguments.params,
            output_path=None if output.name is None else output.path(output.name), overwrite=arguments.overwrite,
            jupyter_kernel=kernel_name, cell_timeout=arguments.cell_timeout)
        run = Run(execution, source, output, spec, streamed)
        self._runs[execution.exec_id] = run
        asyncio.ensure_future(self._follow(run))
        await run.accepted
        return run

    async def parameters(self, path: str) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines.

        Raises
        ------
        NotebookNotFoundError, NotebookUnreadableError, DefinitionError
            They cannot be found out.
        """
        source = await self._contents.source(path)
        await self._contents.load(source)
        connection = await self._launcher.launch()
        connection.send(self._request("parameters", source), source.content)
        answer: Any = RunnerDiedError("the process that reads the notebook died")
        async for fact, _ in connection.facts():
            answer = _ANSWERS[fact["fact"]](fact)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    async def shutdown_(self, exec_id: str, wait: bool) -> Model:
        """Shut an execution down and return its model, at once or when its kernel is gone.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        model = self._store.get_(exec_id)
        run = self._runs.get(exec_id)
        gone = self._stop(exec_id, SHUT_DOWN)
        if wait:
            await gone
        return model if run is None else run.execution.model()

    def delete_(self, exec_id: str) -> asyncio.Future[None]:
        """Forget an execution and shut it down; the result is there when its kernel is gone.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        self._store.delete_(exec_id)
        return self._delete_run(exec_id)

    def delete_all(self) -> asyncio.Future[List[None]]:
        """Do the same with all executions, those included that are just starting."""
        self._store.delete_all()
        return asyncio.gather(*[self._delete_run(exec_id) for exec_id in list(self._runs)])

    def close(self) -> None:
        """Let all runners save what they have and go, because the server stops."""
        self._launcher.close()

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

    # -- one run ----------------------------------------------------------------------------------

    async def _follow(self, run: Run) -> None:
        """Be there for a run from its start until nothing of it is left."""
        try:
            await self._converse(run)
            error: ExecutionError = RunnerDiedError("the process that ran the notebook died")
        except ExecutionError as caught:
            error = caught
        except Exception as caught:
            _log.exception("nbexec failed while it followed execution %s", run.execution.exec_id)
            error = ExecutionError(f"nbexec itself failed: {type(caught).__name__}: {caught}")
        self._finish(run, error)
        del self._runs[run.execution.exec_id]
        run.gone.set_result(None)

    async def _converse(self, run: Run) -> None:
        await self._contents.load(run.source)
        for _ in range(_ATTEMPTS):
            if await self._attempt(run):
                return
            _log.warning("Execution %s starts another process: the one for it ended before the first cell.",
                         run.execution.exec_id)
        raise RunnerDiedError(f"the process for it ended before the first cell, {_ATTEMPTS} times")

    async def _attempt(self, run: Run) -> bool:
        """Let a runner run the notebook; tell whether it came to the first cell, for otherwise another one may try."""
        run.connection = await self._launcher.launch()
        run.connection.send(self._request("run", run.source, run), run.source.content)
        begun = False
        async for fact, payload in run.connection.facts():
            begun = begun or fact["fact"] not in _BEFORE_THE_FIRST_CELL
            await self._FACTS[fact["fact"]](self, run, fact, payload)
        return begun

    def _request(self, task: str, source: Source, run: Optional[Run] = None) -> Dict[str, Any]:
        request = {"task": task, "path": source.path, "source": source.file, "cwd": source.cwd, **self._settings}
        if run is not None:
            output = run.output
            place = {"directory": output.directory, "name": output.name, "overwrite": output.overwrite}
            request.update(exec_id=run.execution.exec_id, params=run.execution.params,
                           cell_timeout=run.execution.cell_timeout, output=place if output.directory else None)
        return request

    async def _refused(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        self._refuse(run, _refusal(fact))

    async def _failed(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        self._finish(run, _failure(fact))

    async def _readable(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        """The notebook can be run: choose its kernel, and let it go."""
        assert run.connection is not None
        try:
            spec = run.spec or await self._kernelspecs.for_notebook(fact["kernel_name"])
        except InvalidArgumentError as error:
            run.connection.send({"do": "end", "reason": str(error)})
            return self._refuse(run, error)
        if run.stop_reason is not None:
            return run.connection.send({"do": "end", "reason": run.stop_reason})
        run.connection.send({"do": "go", "spec": spec, "fork_server": self._launcher.fork_server_for(spec)})
        if run.execution.started_at is None:  # or another runner has started it already
            self._started(run)

    async def _retried(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        _log.warning("Execution %s starts another kernel: %s", run.execution.exec_id, fact["reason"])

    async def _kernel(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        _log.info("Execution %s has its kernel, %s: %s.", run.execution.exec_id, fact["name"], fact["start"])

    async def _event(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        run.execution.progress = fact["progress"]
        run.execution.last_cell_source = fact.get("source", run.execution.last_cell_source)
        self._save(run)
        run.emit(payload)

    async def _ended(self, run: Run, fact: Dict[str, Any], payload: bytes) -> None:
        error = None if fact["error"] is None else ExecutionError(fact["error"])
        name = fact["output_name"]
        if payload:
            try:
                name = await self._contents.save(payload, run.output, run.source)
            except OutputNotWrittenError as failure:
                error = failure if error is None else ExecutionError(f"{error}\n{failure}")
        if error is None:
            run.execution.progress = fact["progress"]
        self._finish(run, error, name, fact["details"])

    _FACTS = {"refused": _refused, "unreadable": _failed, "failed": _failed, "readable": _readable, "kernel": _kernel,
              "retried": _retried, "event": _event, "ended": _ended}

    # -- changes of an execution ------------------------------------------------------------------

    def _save(self, run: Run) -> None:
        if not run.deleted:
            self._store.save(run.execution)

    def _refuse(self, run: Run, error: NbExecError) -> None:
        """Take back a run that was never recorded."""
        run.refused = True
        if not run.accepted.done():
            run.accepted.set_exception(error)

    def _started(self, run: Run) -> None:
        execution = run.execution
        execution.status = EXECUTING
        execution.started_at = events.now().timestamp()
        self._save(run)
        self._emit(run, events.NOTEBOOK_START, execution.started_at, execution=execution.model())
        run.accepted.set_result(None)
        _log.info("Execution %s of %s has started.", execution.exec_id, execution.path)

    def _finish(self, run: Run, error: Optional[ExecutionError], output_name: Optional[str] = None,
                details: Optional[Dict[str, Any]] = None) -> None:
        """Give a run its final state, once."""
        execution = run.execution
        if execution.finished or run.refused:
            return
        execution.status = COMPLETED if error is None else error_status(str(error))
        execution.completed_at = events.now().timestamp()
        execution.output_path = None if output_name is None else run.output.path(output_name)
        self._save(run)
        if error is None:
            self._emit(run, events.NOTEBOOK_COMPLETE, execution.completed_at, execution=execution.model())
        else:
            self._emit(run, events.NOTEBOOK_ERROR, execution.completed_at, output_path=execution.output_path,
                       error=str(error), execution=execution.model(), **(details or {}))
        run.emit(None)
        if not run.accepted.done():
            run.accepted.set_result(None)
        _log.info("Execution %s of %s has ended: %s.", execution.exec_id, execution.path,
                  "completed" if error is None else "error")

    def _emit(self, run: Run, name: str, timestamp: float, **facts: Any) -> None:
        run.emit(events.line(events.event(name, run.execution.exec_id, timestamp, **facts)))


def _refusal(fact: Dict[str, Any]) -> NbExecError:
    if "message" in fact:
        return DefinitionError(fact["message"])
    return InvalidArgumentError(fact["name"], fact["value"], fact["accepted"])


def _failure(fact: Dict[str, Any]) -> ExecutionError:
    kind = NotebookUnreadableError if fact["fact"] == "unreadable" else RunnerDiedError
    return kind(fact["error"])


_ANSWERS = {"parameters": lambda fact: fact["parameters"], "refused": _refusal, "unreadable": _failure,
            "failed": _failure}
