"""The result of an execution."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..errors import NbExecError
from ..events import NOTEBOOK_COMPLETE, NOTEBOOK_ERROR
from ..printable import printable
from .execution_error import Cell, ExecutionFailedError, failed_at, failure_in

Event = Dict[str, Any]
Model = Dict[str, Any]
FINAL_EVENTS = (NOTEBOOK_COMPLETE, NOTEBOOK_ERROR)
_LONGEST = 200  # characters of a value that is shown


class Result:
    """The result of an execution that completed or failed. It can be pickled.

    Attributes
    ----------
    model : dict
        The final execution model; empty if the request was refused.
    error : NbExecError, optional
        What went wrong; None if the execution completed.
    warnings : list of str
        Warnings of the server, for example about a missing kernel.
    exited : bool
        Whether a cell ended the notebook early, for example with `sys.exit()`.
    output_cut : dict
        Bytes of output cut by the limits of the server, by cell number.
    results_omitted : dict
        Why named results were not kept, by name.
    params : mapping
        The parameter values, as `map` was given them.
    index : int, optional
        Their position among the values that `map` was given.
    """

    def __init__(self, model: Model, error: Optional[NbExecError] = None, event: Optional[Event] = None,
                 warnings: Optional[List[str]] = None, load: Optional[Callable[[], Dict[str, Any]]] = None,
                 root: Optional[Path] = None) -> None:
        event = event or {}
        self.model = model
        self.error = error
        self.warnings = warnings or []
        self.exited = bool(event.get("exited"))
        self.output_cut: Dict[str, int] = event.get("output_cut", {})
        self.results_omitted: Dict[str, str] = event.get("results_omitted", {})
        self.params: Mapping[str, Any] = model.get("params", {})
        self.index: Optional[int] = None
        self._load = load
        self._root = root
        self._notebook: Optional[Dict[str, Any]] = None

    @property
    def exec_id(self) -> Optional[str]:
        """Id of the execution; None if the request was refused."""
        return self.model.get("exec_id")

    @property
    def completed(self) -> bool:
        """Whether the execution completed."""
        return self.error is None

    @property
    def status(self) -> str:
        """The final status, or the reason why the request was refused."""
        return str(self.model.get("status") or f"error: {self.error}")

    @property
    def summary(self) -> str:
        """How it ended, in one line."""
        if isinstance(self.error, ExecutionFailedError):
            return f"error: {printable(self.error.summary)}"
        return printable(self.status.partition("\n")[0])

    @property
    def output_path(self) -> Optional[str]:
        """API path of the output notebook; None if there is none."""
        return self.model.get("output_path")

    @property
    def output_file(self) -> Optional[Path]:
        """The output notebook as a file, if the client has found the server on this machine."""
        if self._root is None or self.output_path is None:
            return None
        return self._root.joinpath(*self.output_path.split("/"))

    @property
    def results(self) -> Dict[str, Any]:
        """The named results of the notebook."""
        return dict(self.model.get("results") or {})

    @property
    def seconds(self) -> Optional[float]:
        """How long the execution took."""
        started, ended = self.model.get("started_at"), self.model.get("completed_at")
        return None if started is None or ended is None else float(ended) - float(started)

    @property
    def notebook(self) -> Dict[str, Any]:
        """The output notebook in nbformat, downloaded on first access.

        Raises
        ------
        NbExecError
            There is none, or another execution has replaced it.
        """
        if self._notebook is None:
            if self._load is None:
                raise NbExecError("the output notebook was not fetched, and cannot be fetched from here")
            self._notebook = self._load()
        return self._notebook

    @property
    def cells(self) -> List[Cell]:
        """The cells of the output notebook."""
        return list(self.notebook["cells"])

    def check(self) -> Result:
        """Return the result itself, or raise its error."""
        if self.error is not None:
            raise self.error
        return self

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_load": None}  # which knows the token

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {self.seconds:.1f} s"
        output = f" -> {self.output_path}" if self.output_path else ""
        return f"<Result of {self.model.get('path', '?')}: {self.summary}{took}{output}>"

    def _repr_html_(self) -> str:
        rows = [("notebook", self.model.get("path")), ("status", self.summary),
                ("seconds", None if self.seconds is None else f"{self.seconds:.1f}"), ("output", self.output_path),
                *((str(name), value) for name, value in self.params.items()),
                *((str(name), value) for name, value in self.results.items())]
        return table([row for row in rows if row[1] is not None]) + self._traceback()

    def _traceback(self) -> str:
        lines = self.error.traceback if isinstance(self.error, ExecutionFailedError) else []
        return f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else ""


class Tally:
    """What the events of an execution add up to.

    Attributes
    ----------
    model : dict
        The newest execution model.
    final : dict, optional
        The last event, once that has come.
    cell : dict, optional
        The cell that failed, or that ran last.
    """

    def __init__(self, model: Optional[Model] = None) -> None:
        self.model = model or {}
        self.final: Optional[Event] = None
        self._warnings: List[str] = []
        self.cell: Optional[Cell] = None
        self._failed: Dict[str, Cell] = {}

    def add(self, event: Event) -> None:
        """Take note of an event."""
        self.model = event.get("execution") or self.model
        self._warnings += map(str, event.get("warnings", []))
        self.cell = event.get("cell", self.cell)
        if any(output.get("output_type") == "error" for output in event.get("cell", {}).get("outputs", [])):
            self._failed[event["progress"]] = event["cell"]
        if event["event"] in FINAL_EVENTS:
            self.final = event
            self.cell = self._failed.get(str(failed_at(self.model, event.get("failed_cells", []))), self.cell)

    def result(self, load: Optional[Callable[[], Dict[str, Any]]], root: Optional[Path]) -> Result:
        """Return the result, now that the last event has come."""
        assert self.final is not None
        failed = self.final["event"] == NOTEBOOK_ERROR
        error = failure_in({"execution": self.model, **self.final}, self.cell) if failed else None
        return Result(self.model, error, self.final, self._warnings, load, root)


def table(rows: List[Any]) -> str:
    """Return names and values as HTML; whatever is in them is text."""
    cells = [f"<tr><th style='text-align: left'>{escape(_short(name))}</th>"
             f"<td style='text-align: left'>{escape(_short(value))}</td></tr>" for name, value in rows]
    return f"<table>{''.join(cells)}</table>"


def _short(value: object) -> str:
    text = printable(str(value))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
