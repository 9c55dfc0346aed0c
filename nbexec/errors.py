"""Everything that can go wrong, by name.

Nothing here knows HTTP: `nbexec.handlers` has the one table that turns a class into a status code. Facts are
attributes; no program reads the sentence.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Type, Union

from .excerpts import MESSAGE, NAME, TRACEBACK, excerpt, excerpt_lines

ERROR_FIELD = "X-Error-Field"  # the header that names the field of an InvalidArgumentError
_SHOWN = 200  # characters of a refused value that a message repeats


def shown(value: object) -> str:
    """Return `value` as a message shows it: quoted, and cut if it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


class AsWritten(str):
    """A value that a message shows without quotes."""

    __repr__ = str.__str__


def _seconds(number: Union[int, float]) -> str:
    digits = f"{number:g}" if isinstance(number, float) else number  # an int may be too large for a float
    return f"{digits} second" + ("" if number == 1 else "s")


class NbExecError(Exception):
    """Base of all errors that nbexec raises on purpose; its text is never too long to show."""

    def __init__(self, message: str) -> None:
        super().__init__(excerpt(message, MESSAGE, elsewhere=""))

    def __reduce__(self) -> Tuple[Any, ...]:
        # A copy is not made by calling the class, whose arguments are facts and not the message.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: Type[NbExecError], args: Tuple[Any, ...], facts: Dict[str, Any]) -> NbExecError:
    """Return an error that was pickled."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class InvalidArgumentError(NbExecError):
    """A request contains a value that is not accepted (400).

    Parameters
    ----------
    field : str
        The field of the request, its header, or the notebook parameter.
    value : object
        What was given; None if nothing was.
    expected : str
        What is accepted, as it follows the word "expected".
    message : str, optional
        The whole sentence, where "field: expected …, got …" does not fit.
    """

    def __init__(self, field: str, value: object, expected: str, message: Optional[str] = None) -> None:
        given = "nothing" if value is None else shown(value)
        super().__init__(message or f"{shown(field)[1:-1]}: expected {expected}, got {given}")
        self.field = field
        self.value = value
        self.expected = expected


class RequestBodyError(NbExecError):
    """The body of a request cannot be read (400)."""


class RequestTooLargeError(NbExecError):
    """The body of a request exceeds the limit (413)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request body is too large; the limit is {limit} bytes.")
        self.limit = limit


class RequestTooSlowError(NbExecError):
    """The body of a request did not arrive in time (408)."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The request body did not arrive within {_seconds(seconds)}.")
        self.seconds = seconds


class DefinitionError(NbExecError):
    """The parameter cell of a notebook is not a valid definition (400)."""


class KernelRefusedError(NbExecError):
    """The kernels of the server run on another machine, where nbexec cannot use them (400)."""


class UnauthorizedError(NbExecError):
    """A request does not carry the server's token (401)."""


class NotebookNotFoundError(NbExecError):
    """The notebook of a request does not exist, is hidden, is a directory or lies outside the root (404)."""

    def __init__(self, path: str) -> None:
        super().__init__(f"notebook {shown(path)} does not exist on this server; expected the path of a notebook "
                         "file, relative to the server's root directory")
        self.path = path


class NotebookFileNotFoundError(NotebookNotFoundError):
    """The notebook of a run without a server does not exist, or is no file."""

    def __init__(self, path: str) -> None:
        NbExecError.__init__(self, f"notebook {shown(path)} does not exist; expected the path of a notebook file")
        self.path = path


class ExecutionNotFoundError(NbExecError):
    """No execution has this id (404)."""

    def __init__(self, exec_id: str) -> None:
        super().__init__(f"execution {shown(exec_id)} does not exist; GET api/executions lists those that do")
        self.exec_id = exec_id


class OutputPendingError(NbExecError):
    """An execution has no output notebook yet (409)."""

    def __init__(self, exec_id: str) -> None:
        super().__init__(f"execution {shown(exec_id)} has not ended; its output notebook is written at its end")
        self.exec_id = exec_id


class OutputNotFoundError(NbExecError):
    """An execution has no output notebook, or no longer has one (404)."""

    def __init__(self, exec_id: str, path: Optional[str]) -> None:
        what = "was not written" if path is None else f"{shown(path)} no longer exists"
        super().__init__(f"the output notebook of execution {shown(exec_id)} {what}")
        self.exec_id = exec_id
        self.path = path


class OutputNotConvertedError(NbExecError):
    """An output notebook cannot be converted (422).

    Parameters
    ----------
    reason : str
        Why not.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the output notebook cannot be converted: {reason}")
        self.reason = reason


class TooManyExecutionsError(NbExecError):
    """The server already runs, and holds in its queue, as many executions as it allows (429).

    Parameters
    ----------
    running, waiting : int
        How many may run at once, and how many may wait.
    retry_after : int
        Seconds after which a new attempt is worthwhile.
    """

    def __init__(self, running: int, waiting: int, retry_after: int) -> None:
        super().__init__(f"The server is busy: at most {running} executions may run and {waiting} may wait at once "
                         "(c.NbExec.max_running, c.NbExec.max_queued). "
                         f"Try again in {_seconds(retry_after)}.")
        self.retry_after = retry_after


class TooManyStreamsError(NbExecError):
    """The server already has as many streams open as its file descriptors allow (429).

    Parameters
    ----------
    most : int
        How many may be open at once.
    retry_after : int
        Seconds after which a new attempt is worthwhile.
    """

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(f"The server is busy: at most {most} streams may be open at once, because of its limit on "
                         "open files (ulimit -n). Send the request without a stream, or try again in "
                         f"{_seconds(retry_after)}.")
        self.most = most
        self.retry_after = retry_after


class IdempotencyKeyReusedError(NbExecError):
    """The Idempotency-Key of one request came with a different one (409)."""

    def __init__(self, key: str, exec_id: Optional[str]) -> None:
        first = "a request that is still being checked" if exec_id is None else f"execution {exec_id}"
        super().__init__(f"Idempotency-Key {shown(key)} was already used for {first} with other parameters; use a new "
                         "key for each new request")
        self.key = key
        self.exec_id = exec_id


class StoreError(NbExecError):
    """The file that should store the executions cannot be used.

    Parameters
    ----------
    file : str
        The file.
    reason : str
        Why not.
    """

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"executions cannot be stored in {file}: {reason}")
        self.file = file
        self.reason = reason


class FolderLostError(NbExecError):
    """The folder of a runner was removed, or something else is now at its path."""

    def __init__(self) -> None:
        super().__init__("the folder of the runner was removed or replaced")


class ExecutionError(NbExecError):
    """An execution cannot continue; the text becomes its `error: …` status."""


class NotebookUnreadableError(ExecutionError):
    """The file exists but is not a notebook."""


class CellFailedError(ExecutionError):
    """A cell raised an exception; attributes that are too long are cut.

    Parameters
    ----------
    source : str
        The source of the cell.
    ename, evalue : str
        Name and text of the exception, as the kernel gave them.
    traceback : list of str
        Lines of the traceback, without ANSI escapes.
    """

    def __init__(self, source: str, ename: str, evalue: str, traceback: Optional[List[str]] = None) -> None:
        rule = "-" * 18
        self.source = excerpt(source)
        self.ename = excerpt(ename, NAME)
        self.evalue = excerpt(evalue)
        self.traceback = excerpt_lines(traceback or [], TRACEBACK)
        super().__init__(f"An error occurred while executing the following cell:\n{rule}\n{self.source}\n{rule}\n\n"
                         f"{self.ename}: {self.evalue}\n")

    def details(self) -> Dict[str, Any]:
        """Return what the final event says about the exception."""
        return {"ename": self.ename, "evalue": self.evalue, "traceback": self.traceback}


class CellsFailedError(CellFailedError):
    """Cells raised exceptions, and the others were run all the same; other attributes are those of the first failure.

    Parameters
    ----------
    first : CellFailedError
        What the first one raised.
    numbers : list of int
        The numbers of all of them.
    """

    def __init__(self, first: CellFailedError, numbers: List[int]) -> None:
        super().__init__(first.source, first.ename, first.evalue, first.traceback)
        self.numbers = numbers
        self.args = (excerpt(f"{first}\nFailed cells: {', '.join(map(str, numbers))}\n", MESSAGE, elsewhere=""),)


class CellTimeoutError(ExecutionError):
    """A cell took longer than `cell_timeout`."""

    def __init__(self, timeout: int, number: int, total: int) -> None:
        super().__init__(f"cell {number}/{total} took longer than cell_timeout ({_seconds(timeout)})")
        self.timeout = timeout


class RunTimeoutError(ExecutionError):
    """The whole execution took longer than the request or the server allows."""

    def __init__(self, timeout: float, where: str) -> None:
        super().__init__(f"the execution took longer than run_timeout ({_seconds(timeout)}), {where}")
        self.timeout = timeout


class KernelStartError(ExecutionError):
    """The kernel did not start."""


class KernelProgramError(ExecutionError):
    """The program that a kernelspec names cannot be run."""


class KernelDiedError(ExecutionError):
    """The kernel process ended while the notebook was running."""


class OutputLostError(ExecutionError):
    """The kernel reported the end of a cell, but not all of its output arrived."""


class OutputNotWrittenError(ExecutionError):
    """The output notebook could not be written."""


class ExecutionStoppedError(ExecutionError):
    """The execution was told to end: it was shut down or deleted, or its server went away."""


class ServerGoneError(ExecutionStoppedError):
    """The notebook server went away while the notebook was running."""

    def __init__(self) -> None:
        super().__init__("the notebook server went away")


class RunnerDiedError(ExecutionError):
    """The runner process exited without reporting why."""


# What `kind` of the last event says, by the class of the error; anything else is "failed".
KINDS: Dict[str, str] = {
    "CellFailedError": "cell_failed",
    "CellsFailedError": "cell_failed",
    "CellTimeoutError": "cell_timeout",
    "RunTimeoutError": "run_timeout",
    "KernelDiedError": "kernel_died",
    "KernelStartError": "kernel_not_started",
    "KernelProgramError": "kernel_not_started",
    "ExecutionStoppedError": "stopped",
    "ServerGoneError": "server_gone",
    "NotebookUnreadableError": "not_a_notebook",
    "OutputNotWrittenError": "output_not_written",
}


def kind_of(name: str) -> str:
    """Return the kind of failure that an error of this class stands for."""
    return KINDS.get(name, "failed")
