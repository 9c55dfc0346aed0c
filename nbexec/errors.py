"""Everything that can go wrong, by name.

Nothing here knows HTTP: `nbexec.handlers` has the one table that turns a class into a status code. Facts
are attributes, so that a caller never has to take a sentence apart.
"""

from __future__ import annotations

from typing import List, Optional

_SHOWN = 200  # characters of a refused value that a message repeats


def shown(value: object) -> str:
    """Return `value` as a message shows it: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


class NbExecError(Exception):
    """Base of all errors that nbexec raises on purpose."""


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


class DefinitionError(NbExecError):
    """The parameter cell of a notebook does not define its parameters as it should (contract: 400)."""


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


class ExecutionError(NbExecError):
    """An execution cannot go on; the text becomes its `error: …` status."""


class NotebookUnreadableError(ExecutionError):
    """The file is there, but it is no notebook."""


class CellFailedError(ExecutionError):
    """A cell raised.

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
        super().__init__(f"An error occurred while executing the following cell:\n{rule}\n{source}\n{rule}\n\n"
                         f"{ename}: {evalue}\n")
        self.source = source
        self.ename = ename
        self.evalue = evalue
        self.traceback = traceback or []


class CellTimeoutError(ExecutionError):
    """A cell took longer than `cell_timeout`."""

    def __init__(self, timeout: int, number: int, total: int) -> None:
        super().__init__(f"cell {number}/{total} took longer than cell_timeout ({timeout} seconds)")
        self.timeout = timeout


class KernelStartError(ExecutionError):
    """The kernel did not come up."""


class KernelProgramError(ExecutionError):
    """The program of a kernelspec cannot be run at all."""


class KernelDiedError(ExecutionError):
    """The kernel process ended while the notebook was running."""


class KernelExitedError(KernelDiedError):
    """The notebook ended its kernel by `exit()`, with cells still to run."""


class OutputLostError(ExecutionError):
    """The kernel reports a finished cell, but not all of its output could be had."""


class OutputNotWrittenError(ExecutionError):
    """The output notebook could not be written."""


class ExecutionStoppedError(ExecutionError):
    """The execution was told to end: shut down, deleted, or its server went away."""


class RunnerDiedError(ExecutionError):
    """The process that ran the notebook ended without a word."""
