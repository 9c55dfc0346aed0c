"""Shortens long texts so that they can be shown in a list.

Sources and errors of a notebook may have any size. The output notebook contains all of them; models, records, the log
and most parts of events contain an excerpt that says how much is missing.
"""

from __future__ import annotations

from typing import Any, Dict, List

TEXT = 20_000  # characters of a source, or of the text of an exception, in a model
NAME = 1_000  # of the name of an exception
TRACEBACK = 100_000  # of a traceback in the last event
MESSAGE = 50_000  # of an error, which includes a source and the text of an exception
CELL = 1_000_000  # of a source, or of an exception, in the cell of an event
IN_THE_OUTPUT = "; the output notebook has them"


def excerpt(text: str, limit: int = TEXT, elsewhere: str = IN_THE_OUTPUT) -> str:
    """Return the text, or its beginning and end with a note between them if it is too long.

    Parameters
    ----------
    text : str
        The text.
    limit : int
        Number of characters to keep, not counting the note.
    elsewhere : str
        What the note adds.
    """
    if len(text) <= limit:
        return text
    begin, end = limit - limit // 2, limit // 2
    note = f"\n[nbexec: {len(text) - limit} characters are left out here{elsewhere}]\n"
    return text[:begin] + note + text[len(text) - end:]


def excerpt_lines(lines: List[str], limit: int) -> List[str]:
    """Return lines of text, shortened by `excerpt` if they are too long in total."""
    if sum(map(len, lines)) + len(lines) <= limit:
        return lines
    return excerpt("\n".join(lines), limit).split("\n")


def excerpt_of_cell(cell: Dict[str, Any]) -> Dict[str, Any]:
    """Return a cell for an event: its source and exceptions may be shortened, all other output is complete."""
    outputs = [_excerpt_of_error(output) if output["output_type"] == "error" else output for output in cell["outputs"]]
    return dict(cell, source=excerpt(cell["source"], CELL), outputs=outputs)


def _excerpt_of_error(output: Dict[str, Any]) -> Dict[str, Any]:
    return dict(output, ename=excerpt(output["ename"], CELL), evalue=excerpt(output["evalue"], CELL),
                traceback=excerpt_lines(output["traceback"], CELL))
