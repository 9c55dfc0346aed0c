"""The cells with which papermill points to the cell that failed, word for word."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from ..files.notebooks import ERROR_MARK

_STYLE = 'style="color:red; font-family:Helvetica Neue, Helvetica, Arial, sans-serif; font-size:2em;"'
_TOP = (f"<span {_STYLE}>An Exception was encountered at "
        "'<a href=\"#papermill-error-cell\">In [{count}]</a>'.</span>")
_ABOVE = (f'<span id="papermill-error-cell" {_STYLE}>'
          "Execution using papermill encountered an exception here and stopped:</span>")


def mark_failure(nb: NotebookNode, index: int) -> None:
    """Begin the notebook with a link to a cell, which may be folded away far below."""
    top = _TOP.format(count=nb.cells[index]["execution_count"])
    nb.cells.insert(index, _mark(_ABOVE))
    nb.cells.insert(0, _mark(top))


def _mark(source: str) -> NotebookNode:
    return new_markdown_cell(source, metadata={"tags": [ERROR_MARK]})
