"""What a runner tells the server of an execution: its cells, their output, and how it ended."""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Mapping, Optional, Sequence

from nbformat import NotebookNode

from .. import events
from ..errors import CellFailedError, ExecutionError, ServerGoneError
from ..excerpts import excerpt
from ..files.end_notes import Note
from ..protocol import CellEvent, CellOutput, Ended, Message, Pipe, PipeClosedError
from ..secret_values import SecretValues

_log = logging.getLogger("nbexec")


class Reporter:
    """Reports of one execution.

    Parameters
    ----------
    pipe : Pipe
        The way to the server.
    note : Note
        The file for a note of how it ended.
    exec_id : str
        The execution.
    nb : NotebookNode
        The notebook.
    secrets : SecretValues
        What must not be told.
    """

    def __init__(self, pipe: Pipe, note: Note, exec_id: str, nb: NotebookNode, secrets: SecretValues) -> None:
        self._pipe = pipe
        self._note = note
        self._exec_id = exec_id
        self._cells = len(nb.cells)
        self._secrets = secrets
        self._progress = ""

    def send(self, message: Message, payload: bytes = b"") -> None:
        """Tell the server; if it is gone, the execution ends because its pipe closed, not because of this."""
        try:
            self._pipe.send(message, payload)
        except PipeClosedError:
            _log.debug("The server no longer accepts %s.", type(message).__name__)

    def cell_start(self, index: int, cell: NotebookNode, timestamp: float) -> None:
        """Tell that a cell starts."""
        self._progress = f"{index + 1}/{self._cells}"
        event = events.cell_start(self._exec_id, timestamp, self._progress, cell)
        self.send(CellEvent(events.CELL_START, self._progress, excerpt(cell["source"])), events.line(event))

    def cell_end(self, index: int, cell: NotebookNode, timestamp: float, widgets: Mapping[str, str]) -> None:
        """Tell that a cell has ended; `widgets` is what the widgets in its outputs show, as text, by their ids."""
        event = events.cell_end(self._exec_id, timestamp, self._progress, cell, widgets)
        self.send(CellEvent(events.CELL_END, self._progress), events.line(event))

    def show_output(self, outputs: List[Dict[str, Any]], replace: bool, widgets: Mapping[str, str]) -> None:
        """Tell the output of a running cell, and what its widgets show that have changed."""
        event = events.output(self._exec_id, self._progress, outputs, replace, widgets)
        self.send(CellOutput(replace), events.line(event))

    def end(self, name: Optional[str], error: Optional[ExecutionError], content: bytes = b"",
            details: Optional[Dict[str, Any]] = None, has_exited: bool = False,
            failed_cells: Sequence[int] = ()) -> None:
        """Tell how the execution ended, and note it where it outlives this process.

        Parameters
        ----------
        name : str, optional
            The name of the output notebook, if it was written.
        error : ExecutionError, optional
            What went wrong.
        content : bytes
            The output notebook, if the server has to write it.
        details : dict, optional
            What there is to tell of its output: `output_cut`, `results`, `results_omitted`.
        has_exited : bool
            Whether the last cell has ended the notebook, early and well.
        failed_cells : sequence of int
            The numbers of the cells that have failed, if others were run after them.
        """
        details = {**(details or {}),
                   **(self._secrets.mask_error(error.details()) if isinstance(error, CellFailedError) else {})}
        if failed_cells:
            details["failed_cells"] = list(failed_cells)
        if has_exited and error is None:
            details["exited"] = True
        progress = self._progress if has_exited else f"{self._cells}/{self._cells}"
        reason = None if error is None else self._secrets.mask(str(error))
        ended = Ended(name, reason, None if error is None else type(error).__name__, progress, details)
        lost = reason or str(ServerGoneError()) if content else reason  # only the server can save it
        self._note.write({**vars(ended), "error": lost, "timestamp": events.now().timestamp()})
        self.send(ended, content)
