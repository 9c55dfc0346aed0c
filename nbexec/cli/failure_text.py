"""What is shown of a failed execution: the cell with its source, and the last frames of the traceback."""

from __future__ import annotations

import re
from typing import List, Optional

from ..client.execution_error import failed_at
from ..client.result import Tally

_FRAME = re.compile(r"(Cell|Input) In ?\[|File .+?(:\d+|, line \d+)|\S+\.py in ")
_LINE = re.compile(r"(?:Cell|Input) In ?\[\d+\](?:, line |:)(\d+)")
_FRAMES = 3  # of the traceback, from its end
_AROUND = 6  # lines of the source before and after the one that failed


def failure_text(tally: Tally) -> str:
    """Return what went wrong in several lines."""
    assert tally.final is not None
    error = str(tally.final.get("error", "")).rstrip("\n")
    lines = [str(line) for text in tally.final.get("traceback") or [] for line in str(text).split("\n")]
    shown = any(str(tally.final.get("ename")) in line for line in lines)
    if not shown and "ename" in tally.final:
        return error  # which has the source
    progress = failed_at(tally.model, tally.final.get("failed_cells", []))
    headline = f"Error in cell {progress}:" if progress else "Error:"
    source = _source(str(tally.cell["source"]), _failed_line(lines)) if tally.cell else []
    if shown:
        return "\n".join([headline, *source, *_last_frames(lines)])
    return "\n".join([f"Error: {error}", *source])


def _failed_line(lines: List[str]) -> Optional[int]:
    """Return the number of the line in the cell that a traceback names."""
    found = next(filter(None, map(_LINE.match, lines)), None)
    return int(found.group(1)) if found else None


def _source(source: str, failed: Optional[int]) -> List[str]:
    """Return the lines of a cell around the one that failed, with their numbers."""
    lines = source.rstrip("\n").split("\n")
    middle = failed if failed is not None and failed <= len(lines) else 1
    first, last = max(1, middle - _AROUND), min(len(lines), middle + _AROUND)
    numbered = [f"{'-->' if number == failed else '   '} {number:{len(str(last))}} | {lines[number - 1]}"
                for number in range(first, last + 1)]
    above = ["    …"] if first > 1 else []
    below = ["    …"] if last < len(lines) else []
    return [*above, *numbered, *below, ""]


def _last_frames(lines: List[str]) -> List[str]:
    starts = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    if len(starts) <= _FRAMES:
        return lines
    left_out = len(starts) - _FRAMES
    return [*lines[:starts[0]], f"… {left_out} frame{'s' * (left_out > 1)} left out …", "", *lines[starts[-_FRAMES]:]]
