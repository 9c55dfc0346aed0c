"""The notebook of an execution whose runner is lost, rebuilt from what that has told of its cells."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Optional

from nbformat import NotebookNode, from_dict

from ..errors import NotebookUnreadableError
from ..events import CELL_END
from ..files import notebooks


def put_events(nb: NotebookNode, lines: Iterable[bytes], partial: Optional[bytes] = None) -> int:
    """Put the output of cells into a notebook as it was before its execution.

    Parameters
    ----------
    nb : NotebookNode
        The notebook.
    lines : iterable of bytes
        The events of the cells that have ended, and the last one of a cell that has started.
    partial : bytes, optional
        What was saved while the notebook ran: it may have output of the cell that has not ended.

    Returns
    -------
    int
        The index of the last cell that was started, -1 if none was.
    """
    saved = _cells_of(partial, len(nb.cells))
    last = -1
    for event in map(json.loads, lines):
        index, count = (int(number) for number in event["progress"].split("/"))
        if count != len(nb.cells):  # the file was changed meanwhile
            raise NotebookUnreadableError("the notebook was changed while it was running")
        last = index - 1
        is_ended = event["event"] == CELL_END
        _put_cell(nb.cells[last], event["cell"] if is_ended else saved.get(last, event["cell"]))
    return last


def _put_cell(cell: NotebookNode, executed: Dict[str, Any]) -> None:
    for name in ("outputs", "execution_count", "metadata"):
        cell[name] = from_dict(executed[name])


def _cells_of(partial: Optional[bytes], count: int) -> Dict[int, Dict[str, Any]]:
    """Return the executed cells of a partial notebook by index; none if it cannot be the one of this execution."""
    if partial is None:
        return {}
    try:
        cells = notebooks.parse(partial).cells
    except NotebookUnreadableError:
        return {}
    if len(cells) != count:
        return {}
    return {index: cell for index, cell in enumerate(cells) if cell["cell_type"] == "code"
            and "nbexec" in cell["metadata"]}
