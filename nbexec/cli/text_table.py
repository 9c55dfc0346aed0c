"""Tables of plain text: as wide as they need to be in a pipe, and no wider than a terminal on one."""

from __future__ import annotations

import shutil
import unicodedata
from typing import Iterator, List, Sequence

from ..printable import printable

_GAP = "  "
_NARROWEST = 8  # columns of text that are left on any terminal


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], is_terminal: bool) -> Iterator[str]:
    """Yield the lines of a table; on a terminal the widest columns are cut until it fits."""
    cells = [[printable(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(map(_width, column)) for column in zip(*cells)]
    if is_terminal:
        widths = _fitting(widths, shutil.get_terminal_size().columns - len(_GAP) * (len(widths) - 1))
    for row in cells:
        yield _GAP.join(_padded(cell, width) for cell, width in zip(row, widths)).rstrip()


def _fitting(widths: List[int], room: int) -> List[int]:
    widths = list(widths)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _padded(text: str, width: int) -> str:
    if _width(text) > width:
        while text and _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
