"""The events of the cells of an execution, as its output notebook tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, Iterator, List, Optional, Tuple

from nbformat import NotebookNode

from .. import events
from ..errors import CellFailedError
from .preprocessor import plain_lines
from .widget_text import texts_of
from .widgets import saved_states

_Executed = List[Tuple[int, NotebookNode, float, float]]  # index, cell, start and end


def cell_events(nb: NotebookNode, execution: Dict[str, Any], number: Optional[int]) -> Iterator[events.Event]:
    """Yield the events of each executed cell, or nothing if the notebook is from another execution.

    Parameters
    ----------
    nb : NotebookNode
        The file that is now at the path of the output notebook.
    execution : dict
        The final model.
    number : int, optional
        The number of executed cells, if known.
    """
    executed = _executed(nb)
    if not _is_of(execution, executed) or number not in (None, len(executed)):
        return
    widgets = saved_states(nb)
    for index, cell, start, end in executed:
        progress, exec_id = f"{index + 1}/{len(nb.cells)}", execution["exec_id"]
        times = dict(cell["metadata"], nbexec={"start_time": cell["metadata"]["nbexec"]["start_time"]})
        yield events.cell_start(exec_id, start, progress, dict(cell, metadata=times))
        yield events.cell_end(exec_id, end, progress, cell, texts_of(cell["outputs"], widgets.get))


def raised(nb: NotebookNode, execution: Dict[str, Any], exception: Dict[str, str],
           failed_cell: Optional[int] = None) -> Dict[str, Any]:
    """Return the fields of the last event for the exception that ended the execution; none if no cell has raised.

    Parameters
    ----------
    nb : NotebookNode
        The file that is now at the path of the output notebook.
    execution : dict
        The final model.
    exception : dict
        Its `ename` and `evalue`, from the record.
    failed_cell : int, optional
        The number of the cell that raised it; None if that is the last one.
    """
    executed = _executed(nb)
    found = [cell for index, cell, *_ in executed if failed_cell in (None, index + 1)]
    outputs = found[-1]["outputs"] if found and _is_of(execution, executed) else []
    for output in outputs:
        if output["output_type"] != "error":
            continue
        error = CellFailedError(found[-1]["source"], output["ename"], output["evalue"],
                                plain_lines(output["traceback"]))
        if {"ename": error.ename, "evalue": error.evalue} == exception:
            return error.details()
    return {}


def _executed(nb: NotebookNode) -> _Executed:
    return [(index, _as_told(cell), *_times(cell)) for index, cell in enumerate(nb.cells)
            if cell["cell_type"] == "code" and "nbexec" in cell["metadata"]]


def _as_told(cell: NotebookNode) -> NotebookNode:
    """Return a cell without what was added when the notebook was saved."""
    metadata = {name: value for name, value in cell["metadata"].items() if name != "papermill"}
    return NotebookNode(cell, metadata=metadata)


def _times(cell: NotebookNode) -> Tuple[float, float]:
    """Return when a cell started and ended; zeros if its metadata is not from nbexec."""
    try:
        start, end = (datetime.fromisoformat(cell["metadata"]["nbexec"][name]).timestamp()
                      for name in ("start_time", "end_time"))
        return start, end
    except (KeyError, TypeError, ValueError):
        return 0.0, 0.0


def _is_of(execution: Dict[str, Any], executed: _Executed) -> bool:
    """Whether the cells were executed during this execution: another one may have replaced the file."""
    return bool(executed) and execution["started_at"] <= min(start for _, _, start, _ in executed) and (
        max(end for _, _, _, end in executed) <= execution["completed_at"])
