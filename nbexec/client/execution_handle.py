"""An execution on a server: wait for it, follow it, stop it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional
from urllib.parse import quote

from ..execution import EXECUTING, INITIALIZING
from .api_error import ApiError
from .connection import CHUNKED, Connection, body_of
from .execution_stream import Event, ExecutionStream
from .followed_stream import Progress, follow
from .output_origin import check_origin
from .result import Model, Result, Tally, table


class Execution:
    """One execution; returned by a client, and safe to use in several threads.

    Attributes
    ----------
    exec_id : str
        Its id.
    """

    def __init__(self, connection: Connection, exec_id: str, model: Optional[Model] = None,
                 root: Optional[Path] = None) -> None:
        self.exec_id = exec_id
        self._connection = connection
        self._root = root
        self._model = model
        self._result: Optional[Result] = None

    @property
    def model(self) -> Model:
        """The last known execution model; requests it if there is none yet."""
        return self.refresh() if self._model is None else self._model

    @property
    def status(self) -> str:
        """The current status; requests it unless the execution is known to have ended."""
        return str((self.model if self.ended else self.refresh())["status"])

    @property
    def ended(self) -> bool:
        """Whether the execution is known to have ended, without a request to the server."""
        return self._model is not None and self._model["status"] not in (INITIALIZING, EXECUTING)

    def refresh(self) -> Model:
        """Request the current execution model and return it.

        Raises
        ------
        ApiError
            The server did not answer, or the execution has been deleted.
        """
        model: Model = self._connection.ask_again("execution", dict, "GET", self.exec_id)
        self._model = model
        return model

    def events(self, since: int = 0, *, outputs: bool = False) -> ExecutionStream:
        """Yield its events from the first to the last, past and future.

        Broken connections are resumed: each event comes exactly once.

        Parameters
        ----------
        since : int
            Number (`seq`) of the last event that is already known.
        outputs : bool
            Whether to include `output` events, which have the output of running cells and no `seq`.

        Raises
        ------
        ApiError
            The server refused the request, or the execution has been deleted.
        StreamEndedError
            The connection was lost.
        """
        return ExecutionStream(self._connection, self.exec_id, since, outputs)

    def wait(self, timeout: Optional[float] = None, *, progress: Progress = False,
             on_event: Optional[Callable[[Event], None]] = None) -> Result:
        """Wait until the execution ends and return the result, whether or not it failed.

        Parameters
        ----------
        timeout : float, optional
            Maximum seconds to wait. The execution continues after that.
        progress : bool or RunView
            Whether to show progress.
        on_event : callable, optional
            Called with each event.

        Raises
        ------
        WaitTimeoutError
            The execution did not end in time.
        ApiError
            The server did not answer.
        """
        if self._result is None:
            tally = follow(self.events(), timeout, progress, on_event)
            self._result = self.result_of(tally)
        return self._result

    def result(self, timeout: Optional[float] = None) -> Result:
        """Wait until the execution ends and return the result.

        Raises
        ------
        ExecutionFailedError
            The execution failed; the subclass says how.
        WaitTimeoutError
            The execution did not end in time.
        ApiError
            The server did not answer.
        """
        return self.wait(timeout).check()

    def shutdown(self) -> Model:
        """Shut the execution down, wait until its kernel is gone, and return its model."""
        model: Model = self._connection.ask("execution", dict, "POST", self.exec_id, data={"action": "shutdown"},
                                            headers=CHUNKED)
        self._model = model
        return model

    def delete(self) -> None:
        """Delete the execution and wait until its kernel is gone. The output notebook is kept."""
        self._connection.request("DELETE", self.exec_id, headers=CHUNKED)

    def result_of(self, tally: Tally) -> Result:
        """Return the result that the events of the execution add up to; called by clients."""
        self._model = tally.model
        return tally.result(self._output_notebook, self._root)

    def _output_notebook(self) -> Dict[str, Any]:
        """Fetch the output notebook through the contents manager of the server."""
        path = self.model["output_path"]
        if path is None:
            raise ApiError(f"execution {self.exec_id} has left no output notebook")
        response = self._connection.request_to_again(f"api/contents/{quote(path)}", "GET", params={"type": "notebook"})
        notebook: Dict[str, Any] = body_of(response, "content", dict)
        check_origin(notebook, self.model)
        return notebook

    def __repr__(self) -> str:
        model = self._model or {}
        status = str(model.get("status", "not asked yet")).partition("\n")[0]
        return f"<Execution {self.exec_id} of {model.get('path', '?')}: {status}>"

    def _repr_html_(self) -> str:
        model = self._model or {}
        rows = [("execution", self.exec_id), *((name, model.get(name)) for name in ("path", "status", "progress"))]
        return table([row for row in rows if row[1] is not None])
