"""Runs notebooks from this process, with the methods of a client."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Awaitable,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Type,
    TypeVar,
    Union,
)

from ..client.api_error import ApiError
from ..client.event_stream import EventStream
from ..client.execution_map import ExecutionMap
from ..client.followed_stream import Progress, follow
from ..client.output_origin import check_origin
from ..client.result import Event, Model, Result, Tally
from ..client.run_request import RunRequest, checked
from ..errors import NbExecError
from ..run_arguments import RunArguments, RunOptions
from .engine import close_engine, current_engine
from .local_stream import LocalStream, refusal
from .saved_notebook import read_notebook

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..executions.manager import ExecutionManager

T = TypeVar("T")
NotebookPath = Union[str, "os.PathLike[str]"]
Params = Mapping[str, Any]
_ROOT = Path(os.path.abspath(os.sep))


class LocalClient:
    """Runs notebooks from this process; no server is needed. It may be shared by threads.

    Has the methods of `Client` that start and follow executions. All paths are those of files on this machine, and
    absolute in models, events and results.
    """

    def __enter__(self) -> LocalClient:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        pass

    def close(self) -> None:
        """End the engine of this process, and whatever it runs; the next notebook starts another one."""
        close_engine()

    def run(self, notebook: NotebookPath, params: Optional[Params] = None, *,
            output_path: Optional[NotebookPath] = None, timeout: Optional[float] = None, check: bool = True,
            progress: Progress = False, on_event: Optional[Callable[[Event], None]] = None,
            **options: Unpack[RunOptions]) -> Result:
        """Run a notebook and return its result. Takes the parameters of `Client.run`.

        Raises
        ------
        ExecutionFailedError
            The execution failed; a subclass says how.
        ApiError
            The request was refused; there is no such notebook, for example.
        WaitTimeoutError
            The execution took longer than `timeout`, and was shut down.
        """
        stream = self.stream(notebook, params, output_path=output_path, **options)
        with _stopping(stream):
            tally = follow(stream, timeout, progress, on_event)
        result = _result(tally)
        return result.check() if check else result

    def stream(self, notebook: NotebookPath, params: Optional[Params] = None, *,
               output_path: Optional[NotebookPath] = None, outputs: bool = False,
               **options: Unpack[RunOptions]) -> LocalStream:
        """Run a notebook and yield its events as they happen, starting when the first one is requested."""
        place = None if output_path is None else _absolute(output_path)
        arguments = RunArguments(_absolute(notebook), checked(params or {}), place, **options)
        return LocalStream(RunRequest(arguments), outputs)

    def map(self, notebook: NotebookPath, params: Iterable[Params], *, jobs: int = 4,
            output_path: Optional[Callable[[int, Params], NotebookPath]] = None, timeout: Optional[float] = None,
            progress: bool = False, **options: Unpack[RunOptions]) -> ExecutionMap:
        """Run a notebook once for each set of parameter values and yield the results as they arrive.

        Takes the parameters of `Client.map`.
        """
        def run(index: int, values: Params, started: Callable[[EventStream], None]) -> Result:
            place = None if output_path is None else output_path(index, values)
            stream = self.stream(notebook, values, output_path=place, **options)
            started(stream)
            with _stopping(stream):
                return _result(follow(stream, timeout))

        return ExecutionMap(run, params, jobs, progress)

    def parameters(self, notebook: NotebookPath) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines."""
        return _asked(lambda manager: manager.read_parameters(_absolute(notebook))).parameters

    def execution(self, exec_id: str) -> LocalExecution:
        """Return the execution with this id."""
        return LocalExecution(exec_id)


class LocalExecution:
    """An execution of this process."""

    def __init__(self, exec_id: str) -> None:
        self.exec_id = exec_id

    def shutdown(self) -> Model:
        """Shut the execution down, wait until its kernel is gone, and return its model."""
        return _asked(lambda manager: manager.shutdown_execution(self.exec_id, wait=True))


def _asked(ask: Callable[[ExecutionManager], Awaitable[T]]) -> T:
    """Return what the manager of this process answers; its errors are those of a client of a server."""
    engine = current_engine()

    async def answer() -> T:
        return await ask(engine.manager)

    try:
        return engine.call(answer())
    except NbExecError as error:
        raise refusal(error) from error


def run_notebook(input_path: NotebookPath, output_path: Optional[NotebookPath] = None,
                 parameters: Optional[Params] = None, *, kernel_name: Optional[str] = None,
                 timeout: Optional[float] = None, check: bool = True, progress: Progress = False,
                 on_event: Optional[Callable[[Event], None]] = None, **options: Unpack[RunOptions]) -> Result:
    """Run a notebook without a server and return its result.

    Takes the place of `papermill.execute_notebook`. May be called in any thread, also where an event loop runs. If
    interrupted, for example by Ctrl-C, the execution is shut down and its output so far is saved.

    Parameters
    ----------
    input_path : str or path
        The notebook file.
    output_path : str or path, optional
        The output notebook; by default, it goes beside the notebook under a new name.
    parameters : mapping, optional
        Parameter values: text, numbers, bools or other JSON values.
    kernel_name : str, optional
        Name of the kernel; by default, that of the notebook.
    timeout : float, optional
        Maximum seconds for the whole run.
    check : bool
        Whether to raise an error if the execution fails; otherwise it is the `error` of the result.
    progress : bool or RunView
        Whether to show progress, in the notebook or on standard error.
    on_event : callable, optional
        Called with each event. An exception in it shuts the execution down.
    **options
        Those of `Client.run`, such as `overwrite`, `failed_apart` and `cell_timeout`.

    Returns
    -------
    Result
        The result; its paths are absolute.

    Raises
    ------
    ExecutionFailedError
        The execution failed; a subclass says how.
    ApiError
        The request was refused; there is no such notebook, for example.
    WaitTimeoutError
        The execution took longer than `timeout`.
    """
    if kernel_name is not None:
        options["jupyter_kernel"] = kernel_name
    return LocalClient().run(input_path, parameters, output_path=output_path, timeout=timeout, check=check,
                             progress=progress, on_event=on_event, **options)


@contextmanager
def _stopping(stream: LocalStream) -> Iterator[None]:
    """Shut the execution of a stream down unless the block ends without an error."""
    try:
        yield
    except ApiError:
        raise
    except BaseException:
        stream.shutdown()
        raise


def _result(tally: Tally) -> Result:
    def load() -> Dict[str, Any]:
        notebook = read_notebook(str(tally.model["output_path"]))
        check_origin(notebook, tally.model)
        return notebook

    return tally.result(load if tally.model["output_path"] else None, _ROOT)


def _absolute(path: NotebookPath) -> str:
    """Return the absolute path of a file in its real directory; a file that is a link stays one."""
    path = os.path.expanduser(os.fspath(path))
    directory, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(directory), name)
