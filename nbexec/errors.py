"""Everything that can go wrong, by name.

Nothing here knows HTTP: `nbexec.handlers` has the one table that turns a class into a status code. Facts
are attributes, so that a caller never has to take a sentence apart.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .excerpts import MESSAGE, NAME, TRACEBACK, excerpt, excerpt_lines

_SHOWN = 200  # characters of a refused value that a message repeats


def shown(value: object) -> str:
    """Return `value` as a message shows it: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


class NbExecError(Exception):
    """Base of all errors that nbexec raises on purpose; its text is never too long to be shown."""

    def __init__(self, message: str) -> None:
        super().__init__(excerpt(message, MESSAGE, elsewhere=""))


class InvalidArgumentError(NbExecError):
    """A request holds something that is not accepted (contract: 400).

    Parameters
    ----------
    name : str
        The argument or notebook parameter that is refused.
    value : object
        What was given, None when nothing was.
    accepted : str
        What would have been accepted, as a sentence without its full stop.
    """

    def __init__(self, name: str, value: object, accepted: str) -> None:
        given = "is missing" if value is None else f"has the value {shown(value)}"
        super().__init__(f"{shown(name)[1:-1]} {given}: {accepted}.")
        self.name = name
        self.value = value
        self.accepted = accepted


class RequestBodyError(NbExecError):
    """The body of a request cannot be understood (contract: 400)."""


class RequestTooLargeError(NbExecError):
    """The body of a request is larger than anything that makes sense (413)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request body is too large: {limit} bytes are accepted.")
        self.limit = limit


class RequestTooSlowError(NbExecError):
    """The body of a request does not come (408)."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The request body was not complete after {seconds} seconds.")
        self.seconds = seconds


class DefinitionError(NbExecError):
    """The parameter cell of a notebook does not define its parameters as it should (contract: 400)."""


class KernelRefusedError(NbExecError):
    """The kernel of a notebook, or those of the server, cannot be used (contract: 400)."""


class UnauthorizedError(NbExecError):
    """A request does not carry the server's token (contract: 401)."""


class NotebookNotFoundError(NbExecError):
    """The notebook of a request does not exist, is hidden, is a directory or is outside the root (404)."""

    def __init__(self, path: str) -> None:
        super().__init__(f"notebook {shown(path)} does not exist on this server: give the path of a notebook "
                         "file, relative to the root directory of the server.")
        self.path = path


class ExecutionNotFoundError(NbExecError):
    """There is no execution with this id (contract: 404)."""

    def __init__(self, exec_id: str) -> None:
        super().__init__(f"execution {shown(exec_id)} does not exist: GET the list of executions for those that do.")
        self.exec_id = exec_id


class TooManyExecutionsError(NbExecError):
    """As many executions run and wait as the server allows (429).

    Parameters
    ----------
    running, waiting : int
        How many may run at once, and how many may wait for that.
    retry_after : int
        Seconds after which asking again is worth while.
    """

    def __init__(self, running: int, waiting: int, retry_after: int) -> None:
        super().__init__(f"The server is busy: {running} executions may run at once and {waiting} may wait "
                         f"(c.NbExec.max_running, c.NbExec.max_queued). Try again in {retry_after} seconds.")
        self.retry_after = retry_after


class TooManyStreamsError(NbExecError):
    """As many streams are open as the descriptors of the server allow (429).

    Parameters
    ----------
    most : int
        How many there may be.
    retry_after : int
        Seconds after which asking again is worth while.
    """

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(f"The server is busy: {most} streams may be open at once, for want of descriptors "
                         f"(ulimit -n). Ask without a stream, or try again in {retry_after} seconds.")
        self.most = most
        self.retry_after = retry_after


class IdempotencyKeyReusedError(NbExecError):
    """A key that belongs to one request came with another (409)."""

    def __init__(self, key: str, exec_id: Optional[str]) -> None:
        first = "a request that is still being checked" if exec_id is None else f"execution {exec_id}"
        super().__init__(f"Idempotency-Key {shown(key)} belongs to {first}, with other parameters: take a new key "
                         "for each new request.")
        self.key = key
        self.exec_id = exec_id


class StoreError(NbExecError):
    """The file that is to keep the executions cannot be used.

    Parameters
    ----------
    file : str
        The file.
    reason : str
        Why not.
    """

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"the file {file} cannot keep the executions: {reason}")
        self.file = file
        self.reason = reason


class FolderLostError(NbExecError):
    """The folder of a runner has been removed, or what is at its path now is something else."""

    def __init__(self) -> None:
        super().__init__("the folder of the runner has been removed or replaced")


class ExecutionError(NbExecError):
    """An execution cannot go on; the text becomes its `error: …` status."""


class NotebookUnreadableError(ExecutionError):
    """The file is there, but it is no notebook."""


class CellFailedError(ExecutionError):
    """A cell raised; its attributes are excerpts if they are too long.

    Parameters
    ----------
    source : str
        The source of the cell.
    ename, evalue : str
        Name and text of the exception, as the kernel gave them.
    traceback : list of str
        The lines of the traceback, without ANSI escapes.
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
        """Return what the last event says of the exception."""
        return {"ename": self.ename, "evalue": self.evalue, "traceback": self.traceback}


class CellTimeoutError(ExecutionError):
    """A cell took longer than `cell_timeout`."""

    def __init__(self, timeout: int, number: int, total: int) -> None:
        super().__init__(f"cell {number}/{total} took longer than cell_timeout ({timeout} seconds)")
        self.timeout = timeout


class RunTimeoutError(ExecutionError):
    """The whole execution took longer than the server allows."""

    def __init__(self, timeout: float, where: str) -> None:
        super().__init__(f"the execution took longer than run_timeout ({timeout:g} seconds), {where}")
        self.timeout = timeout


class KernelStartError(ExecutionError):
    """The kernel did not come up."""


class KernelProgramError(ExecutionError):
    """The program of a kernelspec cannot be run at all."""


class KernelDiedError(ExecutionError):
    """The kernel process ended while the notebook was running."""


class OutputLostError(ExecutionError):
    """The kernel reports a finished cell, but not all of its output could be had."""


class OutputNotWrittenError(ExecutionError):
    """The output notebook could not be written."""


class ExecutionStoppedError(ExecutionError):
    """The execution was told to end: shut down, deleted, or its server went away."""


class ServerGoneError(ExecutionStoppedError):
    """The notebook server went away while the notebook was running."""

    def __init__(self) -> None:
        super().__init__("the notebook server went away")


class RunnerDiedError(ExecutionError):
    """The process that ran the notebook ended without a word."""
