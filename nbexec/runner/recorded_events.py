"""The events of the cells of an execution, as its output notebook tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, Iterator, List, Optional, Tuple

from nbformat import NotebookNode

from .. import events
from ..errors import CellFailedError
from ..execution import error_of
from .preprocessor import plain_lines

_Executed = List[Tuple[int, NotebookNode, float, float]]  # index, cell, start and end


def cell_events(nb: NotebookNode, execution: Dict[str, Any], number: Optional[int]) -> Iterator[events.Event]:
    """Yield the start and the end of each cell that was executed, or nothing if the notebook is of another execution.

    Parameters
    ----------
    nb : NotebookNode
        What is now at the path of the output notebook.
    execution : dict
        The final model.
    number : int, optional
        How many cells have been executed, if that is known.
    """
    executed = _executed(nb)
    if not _is_of(execution, executed) or number not in (None, len(executed)):
        return
    for index, cell, start, end in executed:
        progress, exec_id = f"{index + 1}/{len(nb.cells)}", execution["exec_id"]
        times = dict(cell["metadata"], nbexec={"start_time": cell["metadata"]["nbexec"]["start_time"]})
        yield events.cell_start(exec_id, start, progress, dict(cell, metadata=times))
        yield events.cell_end(exec_id, end, progress, cell)


def raised(nb: NotebookNode, execution: Dict[str, Any]) -> Dict[str, Any]:
    """Return what the last event of an execution says of the exception that ended it, if one did."""
    executed = _executed(nb)
    outputs = executed[-1][1]["outputs"] if executed and _is_of(execution, executed) else []
    for output in outputs:
        if output["output_type"] != "error":
            continue
        error = CellFailedError(executed[-1][1]["source"], output["ename"], output["evalue"],
                                plain_lines(output["traceback"]))
        if error_of(execution["status"]).endswith(f"\n{error.ename}: {error.evalue}\n"):
            return error.details()
    return {}


def _executed(nb: NotebookNode) -> _Executed:
    return [(index, cell, *_times(cell)) for index, cell in enumerate(nb.cells)
            if cell["cell_type"] == "code" and "nbexec" in cell["metadata"]]


def _times(cell: NotebookNode) -> Tuple[float, float]:
    """Return when a cell started and ended; what others have written there is no time at all."""
    try:
        start, end = (datetime.fromisoformat(cell["metadata"]["nbexec"][name]).timestamp()
                      for name in ("start_time", "end_time"))
        return start, end
    except (KeyError, TypeError, ValueError):
        return 0.0, 0.0


def _is_of(execution: Dict[str, Any], executed: _Executed) -> bool:
    """Whether the cells were executed while the execution went on: a file may have been replaced by another's."""
    return bool(executed) and execution["started_at"] <= min(start for _, _, start, _ in executed) and (
        max(end for _, _, _, end in executed) <= execution["completed_at"])
