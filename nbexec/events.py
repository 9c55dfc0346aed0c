"""The progress payloads of the API (reference, "Progress Payload").

An event is turned into its line of JSON once, where it is made, and travels as bytes from there on.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Dict

from .excerpts import excerpt_of_cell

NOTEBOOK_QUEUE = "notebook_queue"
NOTEBOOK_START = "notebook_start"
NOTEBOOK_COMPLETE = "notebook_complete"
NOTEBOOK_ERROR = "notebook_error"
CELL_START = "start"
CELL_END = "end"
OUTPUT = "output"
# What has changed in the list of executions.
STARTED = "started"
PROGRESS = "progress"
ENDED = "ended"
DELETED = "deleted"


Event = Dict[str, Any]


def now() -> datetime:
    """Return the time of an event; only for showing, durations are measured on the monotonic clock."""
    return datetime.now(timezone.utc)


def isoformat(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC, always with microseconds."""
    return moment.isoformat(timespec="microseconds")


def event(name: str, exec_id: str, timestamp: float, **facts: Any) -> Event:
    """Return the event `name` with what belongs to it.

    Parameters
    ----------
    name : str
        One of the names above.
    exec_id : str
        The execution it belongs to.
    timestamp : float
        When it happened, in seconds since the epoch.
    **facts
        The keys that this kind of event has besides.
    """
    return {"event": name, "timestamp": timestamp, "exec_id": exec_id, **facts}


def cell_event(name: str, exec_id: str, timestamp: float, progress: str, cell: Dict[str, Any]) -> Event:
    """Return the event of a cell, with excerpts of what is too long in its source and its exceptions.

    Parameters
    ----------
    name, exec_id, timestamp
        As above.
    progress : str
        ``<current cell>/<all cells>``.
    cell : dict
        The cell as it is in a notebook.
    """
    return event(name, exec_id, timestamp, progress=progress, cell=excerpt_of_cell(cell))


def line(value: Event) -> bytes:
    r"""Return the event as one line of JSON, ended by ``\n``."""
    return json.dumps(value).encode("ascii") + b"\n"


def numbered(number: int, line: bytes) -> bytes:
    """Return the line of an event, or the beginning of it, with its number in it."""
    return b'{"seq": %d, ' % number + line[1:]


def name_of(line: bytes) -> str:
    """Return the name in the line of an event, which may be too long to be parsed."""
    match = re.match(rb'\{(?:"seq": [0-9]+, )?"event": "(\w+)"', line)
    assert match is not None
    return match[1].decode("ascii")
