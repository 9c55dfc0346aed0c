"""The client for programs with an event loop: runs `Client` in threads."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Coroutine, Dict, Iterable, List, Optional, Type, Union

from ..errors import NbExecError
from ..run_arguments import RunOptions
from .api_error import ApiError, WaitTimeoutError
from .background import in_thread
from .client import Client, NotebookPath, Params
from .execution_handle import Execution, Progress
from .execution_map import ExecutionMap
from .execution_stream import Event, ExecutionStream
from .list_query import Moment
from .result import Model, Result, Tally
from .run_view import following

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncClient:
    """Runs notebooks on a notebook server: has the methods of `Client`, as coroutines.

    Takes the parameters of `Client`. It looks for the server when it is first used or entered by ``async with``.
    """

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, *, timeout: float = 60.0,
                 connect_timeout: float = 10.0, retries: int = 3, cacert: Optional[str] = None,
                 proxy: Optional[str] = None) -> None:
        self._make = partial(Client, url, token, timeout=timeout, connect_timeout=connect_timeout, retries=retries,
                             cacert=cacert, proxy=proxy)
        self._client: Optional[Client] = None
        self._making = threading.Lock()

    async def __aenter__(self) -> AsyncClient:
        await self._get()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the server."""
        if self._client is not None:
            self._client.close()

    @property
    def url(self) -> Optional[str]:
        """Where the server is, with its base URL; None until it is known."""
        return None if self._client is None else self._client.url

    @property
    def root(self) -> Optional[Path]:
        """The root directory of the server, if the client has found it on this machine."""
        return None if self._client is None else self._client.root

    async def _get(self) -> Client:
        return await in_thread(self._made) if self._client is None else self._client

    def _made(self) -> Client:
        with self._making:
            if self._client is None:
                self._client = self._make()
            return self._client

    # -- run --------------------------------------------------------------------------------------

    async def run(self, notebook: NotebookPath, params: Optional[Params] = None, *,
                  output_path: Optional[NotebookPath] = None, idempotency_key: Optional[str] = None,
                  timeout: Optional[float] = None, check: bool = True, progress: Progress = False,
                  on_event: Optional[Callable[[Event], None]] = None, **options: Unpack[RunOptions]) -> Result:
        """Run a notebook and return its result, with the output notebook; see `Client.run`.

        Cancelling the task shuts the execution down. `on_event` is called in the event loop.
        """
        client = await self._get()
        stream = client.stream(notebook, params, output_path=output_path, idempotency_key=idempotency_key, **options)
        try:
            tally = await _follow(stream, timeout, progress, on_event)
        except BaseException as error:
            await _finish(in_thread(client.stopping(stream).__exit__, type(error), error, None))
            raise
        result = await _loaded(client.execution(str(stream.exec_id)).result_of(tally))
        return result.check() if check else result

    def stream(self, notebook: NotebookPath, params: Optional[Params] = None, *,
               output_path: Optional[NotebookPath] = None, idempotency_key: Optional[str] = None,
               outputs: bool = False, **options: Unpack[RunOptions]) -> AsyncStream:
        """Run a notebook and yield its events as they happen; see `Client.stream`."""
        async def start() -> ExecutionStream:
            client = await self._get()
            return client.stream(notebook, params, output_path=output_path, idempotency_key=idempotency_key,
                                 outputs=outputs, **options)

        return AsyncStream(start)

    async def submit(self, notebook: NotebookPath, params: Optional[Params] = None, *,
                     output_path: Optional[NotebookPath] = None, idempotency_key: Optional[str] = None,
                     **options: Unpack[RunOptions]) -> AsyncExecution:
        """Start an execution and return immediately; see `Client.submit`."""
        client = await self._get()
        return AsyncExecution(await in_thread(
            client.submit, notebook, params, output_path=output_path, idempotency_key=idempotency_key, **options))

    def map(self, notebook: NotebookPath, params: Iterable[Params], *, jobs: int = 4,
            output_path: Optional[Callable[[int, Params], NotebookPath]] = None, timeout: Optional[float] = None,
            progress: bool = False, **options: Unpack[RunOptions]) -> AsyncMap:
        """Run a notebook once for each set of values and yield the results as they arrive; see `Client.map`."""
        async def start() -> ExecutionMap:
            client = await self._get()
            return client.map(notebook, params, jobs=jobs, output_path=output_path, timeout=timeout,
                              progress=progress, **options)

        return AsyncMap(start)

    # -- what is there ----------------------------------------------------------------------------

    async def parameters(self, notebook: NotebookPath) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines."""
        return await in_thread((await self._get()).parameters, notebook)

    async def executions(self, *, text: str = "", state: Union[str, Iterable[str]] = (),
                         notebook: Optional[NotebookPath] = None, since: Optional[Moment] = None,
                         until: Optional[Moment] = None, newest_first: bool = False,
                         limit: Optional[int] = None) -> List[AsyncExecution]:
        """Return executions on the server, oldest first: all of them, or those that are asked for."""
        return list(map(AsyncExecution, await in_thread(
            (await self._get()).executions, text=text, state=state, notebook=notebook, since=since, until=until,
            newest_first=newest_first, limit=limit)))

    async def execution(self, exec_id: str) -> AsyncExecution:
        """Return the execution with this id, without a request to the server."""
        return AsyncExecution((await self._get()).execution(exec_id))

    async def delete_all(self) -> None:
        """Delete all executions on the server, also those of others, and wait until their kernels are gone."""
        await in_thread((await self._get()).delete_all)

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.url or 'a server that is not known yet'}>"


class AsyncExecution:
    """One execution: has the methods of `Execution`, as coroutines."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    @property
    def exec_id(self) -> str:
        """Its id."""
        return self._execution.exec_id

    @property
    def ended(self) -> bool:
        """Whether the execution is known to have ended, without a request to the server."""
        return self._execution.ended

    @property
    def model(self) -> Coroutine[Any, Any, Model]:
        """The last known execution model: ``await execution.model``."""
        return in_thread(lambda: self._execution.model)

    @property
    def status(self) -> Coroutine[Any, Any, str]:
        """The current status: ``await execution.status``."""
        return in_thread(lambda: self._execution.status)

    async def refresh(self) -> Model:
        """Request the current execution model and return it."""
        return await in_thread(self._execution.refresh)

    def events(self, since: int = 0, *, outputs: bool = False) -> AsyncStream:
        """Yield its events; see `Execution.events`."""
        async def start() -> ExecutionStream:
            return self._execution.events(since, outputs=outputs)

        return AsyncStream(start)

    async def wait(self, timeout: Optional[float] = None, *, progress: Progress = False,
                   on_event: Optional[Callable[[Event], None]] = None) -> Result:
        """Wait until the execution ends and return the result, whether or not it failed; see `Execution.wait`."""
        tally = await _follow(self._execution.events(), timeout, progress, on_event)
        return await _loaded(self._execution.result_of(tally))

    async def result(self, timeout: Optional[float] = None) -> Result:
        """Wait until the execution ends and return the result; see `Execution.result`."""
        return (await self.wait(timeout)).check()

    async def shutdown(self) -> Model:
        """Shut the execution down, wait until its kernel is gone, and return its model."""
        return await in_thread(self._execution.shutdown)

    async def delete(self) -> None:
        """Delete the execution and wait until its kernel is gone. The output notebook is kept."""
        await in_thread(self._execution.delete)

    def __repr__(self) -> str:
        return repr(self._execution).replace("<", "<Async", 1)

    def _repr_html_(self) -> str:
        html: str = self._execution._repr_html_()
        return html


class AsyncStream(AsyncIterator[Event]):
    """The events of an execution: ``async for event in …``. Use it in an ``async with`` block to leave it early."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, ExecutionStream]]) -> None:
        self._start = start
        self._stream: Optional[ExecutionStream] = None

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Event:
        if self._stream is None:
            self._stream = await self._start()
        stream = self._stream
        event = await in_thread(lambda: next(stream, None), cancel=stream.close)
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """Let the iteration end; the execution goes on."""
        if self._stream is not None:
            self._stream.close()


class AsyncMap(AsyncIterator[Result]):
    """The results of many executions, as they arrive: ``async for result in …``. See `ExecutionMap`."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, ExecutionMap]]) -> None:
        self._start = start
        self._map: Optional[ExecutionMap] = None

    def __aiter__(self) -> AsyncMap:
        return self

    async def __anext__(self) -> Result:
        if self._map is None:
            self._map = await self._start()
        # A cancelled task waits for no shutdown here; that is what `cancel` is for.
        running = self._map
        result = await in_thread(lambda: next(running, None), cancel=running.stop)
        if result is None:
            raise StopAsyncIteration
        return result

    async def __aenter__(self) -> AsyncMap:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.cancel()

    async def results(self) -> List[Result]:
        """Wait for all remaining results and return them in the order of the values."""
        return sorted([result async for result in self], key=lambda result: result.index or 0)

    async def cancel(self) -> None:
        """Shut down the running executions, wait until they have ended, and start no more."""
        if self._map is not None:
            await _finish(in_thread(self._map.cancel))


async def _follow(stream: ExecutionStream, timeout: Optional[float], progress: Progress,
                  on_event: Optional[Callable[[Event], None]]) -> Tally:
    """Read a stream to its end, and return what it adds up to."""
    async def start() -> ExecutionStream:
        return stream

    async def read() -> None:
        async for event in AsyncStream(start):
            tally.add(event)
            if view is not None:
                view.show(event)
            if on_event is not None:
                on_event(event)

    tally = Tally()
    with stream, following(progress) as view:
        try:
            await asyncio.wait_for(read(), timeout)
        except asyncio.TimeoutError:
            if tally.final is None:
                raise WaitTimeoutError(stream.exec_id, timeout or 0.0) from None
    if tally.final is None:
        raise ApiError("the stream was closed")
    return tally


async def _loaded(result: Result) -> Result:
    """Return a result that has its output notebook, so that no attribute of it has to wait for the server."""
    if result.output_path is not None:
        try:
            await in_thread(lambda: result.notebook)
        except NbExecError:
            pass  # it is told when the notebook is asked for
    return result


async def _finish(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Wait for the end of something even if this task is cancelled meanwhile, once."""
    task = asyncio.ensure_future(coroutine)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
