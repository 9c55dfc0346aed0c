"""A client of the execution API for Python programs, and for the command line."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, Optional, Type, Union

from ..run_arguments import RunArguments, RunOptions
from .api_error import ApiError
from .connection import CHUNKED, Connection, body_of
from .execution_handle import Execution, Progress, follow
from .execution_map import ExecutionMap
from .execution_stream import Event, ExecutionStream
from .list_query import LARGEST_PAGE, Moment, list_query
from .result import Result, table
from .run_request import RunRequest, checked, new_key
from .running_servers import RunningServer, real_path
from .server_address import ServerAddress, find_server

if TYPE_CHECKING:
    from typing_extensions import Unpack

NotebookPath = Union[str, "os.PathLike[str]"]
Params = Mapping[str, Any]


class Client:
    """Runs notebooks on a notebook server. It may be shared by threads, but not by processes.

    Without `url`, the client uses the server in the variable ``NBEXEC_SERVER``, or else a notebook server of this user
    on this machine: the one that serves the current directory, or the only one. Without `token`, it uses the token in
    the URL (``?token=…``), in ``NBEXEC_TOKEN`` or ``JUPYTER_TOKEN``, or that of the server on this machine. It sends
    the token to that server only: it follows no redirects, and checks the process of a server that it has found before
    sending anything.

    Notebooks are given as text, which is a path on the server, relative to its root directory; or, if the client has
    found the server on this machine, as a `pathlib.Path`, which is a file on this machine.

    Parameters
    ----------
    url : str, optional
        Where the server is, with its base URL: ``http://127.0.0.1:8888/`` or ``https://example.org/user/me/``.
    token : str, optional
        The Jupyter token of the server; under JupyterHub, a token of the Hub.
    timeout : float
        Seconds to wait for an answer. Executions may take any time.
    connect_timeout : float
        Seconds to wait for a connection.
    retries : int
        How often to repeat a request that is safe to repeat.
    cacert : str, optional
        File or folder with the certificate authorities to trust. By default, the variables ``REQUESTS_CA_BUNDLE``,
        ``CURL_CA_BUNDLE`` and ``SSL_CERT_FILE`` apply.
    proxy : str, optional
        URL of a proxy. By default, the variables ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` apply, except for a
        server on this machine.

    Raises
    ------
    NoServerError
        No server is given and none was found, or there is no token for it.
    ValueError
        `url` is not the http or https URL of a server, or `token` cannot be sent in a header.
    ApiError
        `cacert` contains no certificates.
    """

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, *, timeout: float = 60.0,
                 connect_timeout: float = 10.0, retries: int = 3, cacert: Optional[str] = None,
                 proxy: Optional[str] = None) -> None:
        address = find_server(url, token, cacert)
        self._begin(address, Connection(address.url, address.token, timeout, connect_timeout, retries, address.peer,
                                        cacert, proxy))

    @classmethod
    def on(cls, server: RunningServer, *, timeout: float = 60.0, cacert: Optional[str] = None) -> Client:
        """Return a client of a server on this machine."""
        client = cls.__new__(cls)
        client._begin(ServerAddress(server.url, server.token, server.root, server.peer),
                      server.connection(timeout, cacert))
        return client

    def _begin(self, address: ServerAddress, connection: Connection) -> None:
        self._root = address.root
        self._connection = connection

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._connection.close()

    @property
    def url(self) -> str:
        """Where the server is, with its base URL."""
        return self._connection.url

    @property
    def root(self) -> Optional[Path]:
        """The root directory of the server, if the client has found it on this machine."""
        return self._root

    # -- run --------------------------------------------------------------------------------------

    def run(self, notebook: NotebookPath, params: Optional[Params] = None, *,
            output_path: Optional[NotebookPath] = None, idempotency_key: Optional[str] = None,
            timeout: Optional[float] = None, check: bool = True, progress: Progress = False,
            on_event: Optional[Callable[[Event], None]] = None, **options: Unpack[RunOptions]) -> Result:
        """Run a notebook and return its result. If interrupted, for example by Ctrl-C, shut the execution down.

        Parameters
        ----------
        notebook, output_path : str or path
            The notebook, and the output notebook; by default, the output goes beside the notebook under a new name.
        params : mapping, optional
            Parameter values: text, numbers, bools or other JSON values.
        idempotency_key : str, optional
            A text that identifies this run: another request with it gets the same execution. By default a new one.
        timeout : float, optional
            Maximum seconds for the whole run; then the execution is shut down.
        check : bool
            Whether to raise an error if the execution fails; otherwise it is the `error` of the result.
        progress : bool or RunView
            Whether to show progress, in the notebook or on standard error.
        on_event : callable, optional
            Called with each event. An exception in it shuts the execution down.
        **options
            The other fields of a request: `overwrite`, whether `output_path` may be replaced; `failed_apart`, whether
            the output of a failed execution is kept apart from it; `jupyter_kernel`, the name of the kernel;
            `cell_timeout` and `run_timeout`, the maximum seconds per cell and in total; `continue_on_error`, whether
            the cells after a failed one are run; `save_interval`, the seconds between two saves of the output while
            the notebook runs, 0 for none. All are in `nbexec.run_arguments.RunArguments`.

        Raises
        ------
        ExecutionFailedError
            The execution failed; a subclass says how.
        ApiError
            The server refused the request or did not answer.
        StreamEndedError
            The connection was lost; the execution may still be running.
        WaitTimeoutError
            The execution took longer than `timeout`.
        """
        stream = self.stream(notebook, params, output_path=output_path, idempotency_key=idempotency_key, **options)
        with self.stopping(stream):
            tally = follow(stream, timeout, progress, on_event)
        result = self.execution(str(stream.exec_id)).result_of(tally)
        return result.check() if check else result

    def stream(self, notebook: NotebookPath, params: Optional[Params] = None, *,
               output_path: Optional[NotebookPath] = None, idempotency_key: Optional[str] = None,
               outputs: bool = False, **options: Unpack[RunOptions]) -> ExecutionStream:
        """Run a notebook and yield its events as they happen, starting when the first one is requested.

        Broken connections are resumed: each event comes exactly once. Takes the parameters of `run`; `outputs` adds
        `output` events, which have the output of running cells.

        Raises
        ------
        ApiError
            The server refused the request or did not answer.
        StreamEndedError
            The connection was lost; the execution may still be running.
        """
        request = self._run_request(notebook, params, output_path, idempotency_key, options)
        return ExecutionStream(self._connection, request, outputs=outputs)

    def submit(self, notebook: NotebookPath, params: Optional[Params] = None, *,
               output_path: Optional[NotebookPath] = None, idempotency_key: Optional[str] = None,
               **options: Unpack[RunOptions]) -> Execution:
        """Start an execution and return immediately. Takes the parameters of `run`.

        Raises
        ------
        ApiError
            The server refused the request or did not answer.
        """
        request = self._run_request(notebook, params, output_path, idempotency_key, options)
        model = self._connection.ask_again("execution", dict, "POST", data=request.body(), headers=request.headers())
        return Execution(self._connection, str(model["exec_id"]), model, self._root)

    def map(self, notebook: NotebookPath, params: Iterable[Params], *, jobs: int = 4,
            output_path: Optional[Callable[[int, Params], NotebookPath]] = None, timeout: Optional[float] = None,
            progress: bool = False, **options: Unpack[RunOptions]) -> ExecutionMap:
        """Run a notebook once for each set of parameter values and yield the results as they arrive.

        An execution that fails or is refused raises nothing; its result has the `error`. `params` and `index` of a
        result say which values it belongs to. Waits if the server is busy.

        Parameters
        ----------
        notebook : str or path
            The notebook.
        params : iterable of mappings
            The values, read as executions can start; a generator may be endless.
        jobs : int
            Maximum number of executions at once.
        output_path : callable, optional
            Returns the path of an output notebook, given the index and the values.
        timeout : float, optional
            Maximum seconds per execution; then it is shut down.
        progress : bool
            Whether to show how many executions have ended.
        **options
            Those of `run`.

        Returns
        -------
        ExecutionMap
            An iterator. Use it in a ``with`` block, or call `cancel`, to shut down what is still running.
        """
        def run(index: int, values: Params, started: Callable[[ExecutionStream], None]) -> Result:
            place = None if output_path is None else output_path(index, values)
            stream = self.stream(notebook, values, output_path=place, **options)
            started(stream)
            with self.stopping(stream):
                tally = follow(stream, timeout)
            return self.execution(str(stream.exec_id)).result_of(tally)

        return ExecutionMap(run, params, jobs, progress)

    def stopping(self, stream: ExecutionStream) -> Stopping:
        """Return a context that shuts the execution of a stream down unless it is left without an error."""
        return Stopping(self, stream)

    # -- what is there ----------------------------------------------------------------------------

    def parameters(self, notebook: NotebookPath) -> List[Dict[str, Any]]:
        """Return the parameters that a notebook defines."""
        found: List[Dict[str, Any]] = self._connection.ask_again(
            "parameters", list, "GET", "parameters", params={"notebook": self._api_path(notebook)})
        return found

    def executions(self, *, text: str = "", state: Union[str, Iterable[str]] = (),
                   notebook: Optional[NotebookPath] = None, since: Optional[Moment] = None,
                   until: Optional[Moment] = None, newest_first: bool = False,
                   limit: Optional[int] = None) -> List[Execution]:
        """Return executions on the server, oldest first: all of them, or those that are asked for.

        Parameters
        ----------
        text : str
            What the paths, the status, the id, the kernel or a parameter (``name=value``) has to contain.
        state : str or iterable of str
            Some of ``waiting``, ``running``, ``completed``, ``failed`` and ``stopped``.
        notebook : str or path, optional
            The source notebook.
        since, until : float, date, datetime or str, optional
            Bounds on the time of the request; `until` is excluded. Numbers are seconds since the epoch, text is as in
            the API.
        newest_first : bool
            The order.
        limit : int, optional
            How many at most.
        """
        path = None if notebook is None else self._api_path(notebook)
        query = list_query(text, state, path, since, until, newest_first)
        return [Execution(self._connection, str(model["exec_id"]), model, self._root)
                for model in self._models(query, limit)]

    def _models(self, query: Dict[str, Any], limit: Optional[int]) -> List[Dict[str, Any]]:
        """Return the models that a query selects, a page after the other if there may be more than one."""
        if limit is None:
            return list(self._connection.ask_again("executions", list, "GET", params=query))
        models: List[Dict[str, Any]] = []
        after: Dict[str, Any] = {}
        while len(models) < limit:
            answer = self._connection.request_again(
                "GET", params={**query, **after, "limit": min(limit - len(models), LARGEST_PAGE)})
            models += body_of(answer, "executions", list)
            after = {"after": answer.json().get("next")}
            if after["after"] is None:
                break
        return models[:limit]

    def execution(self, exec_id: str) -> Execution:
        """Return the execution with this id, without a request to the server."""
        return Execution(self._connection, exec_id, root=self._root)

    def delete_all(self) -> None:
        """Delete all executions on the server, also those of others, and wait until their kernels are gone."""
        self._connection.request("DELETE", headers=CHUNKED)

    # -- requests ---------------------------------------------------------------------------------

    def _run_request(self, notebook: NotebookPath, params: Optional[Params], output_path: Optional[NotebookPath],
                     key: Optional[str], options: RunOptions) -> RunRequest:
        place = None if output_path is None else self._api_path(output_path)
        arguments = RunArguments(self._api_path(notebook), checked(params or {}), place, **options)
        return RunRequest(arguments, key or new_key())

    def _api_path(self, path: NotebookPath) -> str:
        """Return the path on the server: text is one already, anything else is a file on this machine."""
        if isinstance(path, str):
            return path
        if self._root is None:
            raise ValueError(f"{os.fspath(path)!r}: expected text, the path on the server, because the root directory "
                             f"of {self.url} is not known here")
        file = Path(path)
        real = real_path(file.parent) / file.name
        try:
            return real.relative_to(self._root).as_posix()
        except ValueError:
            raise ValueError(f"{os.fspath(path)!r}: expected a file below {self._root}, the root directory of "
                             f"{self.url}") from None

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"

    def _repr_html_(self) -> str:
        return table([("server", self.url), *([("root", self._root)] if self._root else [])])


class Stopping:
    """Shuts down an execution that nobody waits for any more: the program was interrupted, or failed.

    Parameters
    ----------
    client : Client
        Its client.
    stream : ExecutionStream
        Its events.
    """

    def __init__(self, client: Client, stream: ExecutionStream) -> None:
        self._client = client
        self._stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if error is None or isinstance(error, ApiError):
            return
        try:
            exec_id = self._stream.find_id()
            if exec_id is not None:
                self._client.execution(exec_id).shutdown()
        except ApiError:
            pass  # the error that is under way says more
