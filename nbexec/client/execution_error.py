"""Exceptions for executions that failed: the class tells programs how, the cell and its traceback tell people why."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Type

from ..errors import NbExecError
from ..printable import printable, printable_lines

Model = Dict[str, Any]
Cell = Dict[str, Any]


class ExecutionFailedError(NbExecError):
    """An execution failed; the subclass says how. It can be pickled.

    Attributes
    ----------
    model : dict
        The final execution model.
    kind : str
        The kind of failure, as in the event `notebook_error`: ``cell_failed``, ``kernel_died`` and so on.
    error : str
        The error message of the server.
    cell : dict, optional
        The cell that was running, in nbformat, with its outputs.
    cell_number : int, optional
        Its number, from 1.
    failed_cells : list of int
        The numbers of all cells that failed, if the execution continued after them; `cell` is the first of them.
    ename, evalue : str, optional
        Name and message of the exception, if a cell raised one.
    traceback : list of str
        The lines of its traceback.
    output_path : str, optional
        API path of the output notebook, with the output so far.
    """

    def __init__(self, model: Model, event: Dict[str, Any], cell: Optional[Cell] = None) -> None:
        self.model = model
        self.kind: str = event.get("kind") or ("cell_failed" if "ename" in event else "failed")
        self.error = str(event.get("error", ""))
        self.cell = cell
        self.failed_cells: List[int] = event.get("failed_cells", [])
        self.cell_number = self.failed_cells[0] if self.failed_cells else _number(model.get("progress"))
        self.ename: Optional[str] = event.get("ename")
        self.evalue: Optional[str] = event.get("evalue")
        self.traceback: List[str] = [str(line) for line in event.get("traceback") or []]
        self.output_path: Optional[str] = model.get("output_path")
        super().__init__("\n".join([self._headline(), *self._details()]))

    @property
    def exec_id(self) -> str:
        """The execution."""
        return str(self.model.get("exec_id"))

    @property
    def summary(self) -> str:
        """The error in one line."""
        if self.ename is None:
            return self.error.partition("\n")[0]
        return f"{self._where()} raised {self._exception()}".partition("\n")[0]

    def _headline(self) -> str:
        path = self.model.get("path")
        if self.ename is None:
            return f"{path}: {self.error}"
        return f"{path}: {self._where()} raised {self._exception()}"

    def _where(self) -> str:
        others = f" (failed cells: {', '.join(map(str, self.failed_cells))})" if len(self.failed_cells) > 1 else ""
        return f"cell {failed_at(self.model, self.failed_cells)}{others}"

    def _exception(self) -> str:
        return f"{self.ename}: {self.evalue}" if self.evalue else str(self.ename)

    def _details(self) -> List[str]:
        """Return what stands below the headline: the traceback, or the source of the cell where there is none."""
        if self.traceback:
            return ["", *self.traceback]
        source = self.cell["source"] if self.cell else None
        return ["", *("    " + line for line in str(source).splitlines())] if source else []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.model.get('path')}: {printable(self.summary)}>"

    def _render_traceback_(self) -> List[str]:
        """Return what a notebook shows; called by IPython in place of the way through this client."""
        source = [f"    {line}" for line in str(self.cell["source"]).splitlines()] if self.cell else []
        below = ["", *self.traceback] if self.traceback else []
        output = [f"Output so far: {self.output_path}"] if self.output_path else []
        lines = [f"{type(self).__name__}: {self._headline()}", *source, *below, *output]
        return [printable_lines(line) for line in lines]


class CellRaisedError(ExecutionFailedError):
    """A cell raised an exception: see `ename`, `evalue` and `traceback`."""


class TimedOutError(ExecutionFailedError):
    """A cell took longer than `cell_timeout`, or the execution longer than `run_timeout` or the server allows."""


class KernelDeathError(ExecutionFailedError):
    """The kernel died while a cell was running: out of memory, a crash, `os._exit`."""


class KernelNotStartedError(ExecutionFailedError):
    """The kernel did not start, so no cell was run."""


class StoppedError(ExecutionFailedError):
    """The execution was shut down or deleted, or its server ended."""


class NotANotebookError(ExecutionFailedError):
    """The file is there, but cannot be read as a notebook."""


class NotWrittenError(ExecutionFailedError):
    """The output notebook could not be written."""


_CLASSES: Dict[str, Type[ExecutionFailedError]] = {
    "cell_failed": CellRaisedError,
    "cell_timeout": TimedOutError,
    "run_timeout": TimedOutError,
    "kernel_died": KernelDeathError,
    "kernel_not_started": KernelNotStartedError,
    "stopped": StoppedError,
    "server_gone": StoppedError,
    "not_a_notebook": NotANotebookError,
    "output_not_written": NotWrittenError,
}


def failure_in(event: Dict[str, Any], cell: Optional[Cell] = None) -> ExecutionFailedError:
    """Return the error that a `notebook_error` tells of, with the cell that ran last."""
    kind = event.get("kind") or ("cell_failed" if "ename" in event else "failed")
    return _CLASSES.get(kind, ExecutionFailedError)(event.get("execution") or {}, event, cell)


def failed_at(model: Model, failed_cells: List[int]) -> Optional[str]:
    """Return which cell failed first, and how many there are: ``2/5``."""
    progress: Optional[str] = model.get("progress")
    return f"{failed_cells[0]}/{progress.partition('/')[2]}" if failed_cells and progress else progress


def _number(progress: Optional[str]) -> Optional[int]:
    return int(progress.partition("/")[0]) if progress else None
