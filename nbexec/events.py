"""The progress payloads of the API (reference, "Progress Payload").

An event is turned into its line of JSON once, where it is made, and travels as bytes from there on. Its name travels
beside it, so that nobody looks into the bytes.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .excerpts import excerpt_of_cell
from .execution import COMPLETED, error_of

NOTEBOOK_QUEUE = "notebook_queue"
NOTEBOOK_START = "notebook_start"
NOTEBOOK_COMPLETE = "notebook_complete"
NOTEBOOK_ERROR = "notebook_error"
CELL_START = "start"
CELL_END = "end"
OUTPUT = "output"
# Changes in the list of executions.
STARTED = "started"
PROGRESS = "progress"
ENDED = "ended"
DELETED = "deleted"


Event = Dict[str, Any]
Model = Dict[str, Any]


def now() -> datetime:
    """Return the time for an event. Durations are measured with the monotonic clock instead."""
    return datetime.now(timezone.utc)


def isoformat(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC, always with microseconds."""
    return moment.isoformat(timespec="microseconds")


# -- one function for each event -------------------------------------------------------------------


def _event(name: str, exec_id: str, timestamp: float, **fields: Any) -> Event:
    return {"event": name, "timestamp": timestamp, "exec_id": exec_id, **fields}


def notebook_queue(model: Model, position: int, problems: Sequence[str] = ()) -> Event:
    """Return the event of an execution that waits at this position in the line; problems may be why."""
    more = {"problems": list(problems)} if problems else {}
    return _event(NOTEBOOK_QUEUE, model["exec_id"], now().timestamp(), execution=model, position=position, **more)


def notebook_start(model: Model, **details: Any) -> Event:
    """Return the event of an execution that has started; `details` are `warnings`, if there are any."""
    return _event(NOTEBOOK_START, model["exec_id"], model["started_at"], execution=model, **details)


def notebook_end(model: Model, **details: Any) -> Event:
    """Return the last event of an execution, `notebook_complete` or `notebook_error`, from its final model.

    Parameters
    ----------
    model : dict
        The model.
    **details
        Further fields: the exception of a cell, `output_cut`, `results_omitted`, `exited`, `failed_cells`.
    """
    exec_id, status, timestamp = model["exec_id"], model["status"], model["completed_at"]
    if status == COMPLETED:
        return _event(NOTEBOOK_COMPLETE, exec_id, timestamp, execution=model, **details)
    return _event(NOTEBOOK_ERROR, exec_id, timestamp, output_path=model["output_path"], error=error_of(status),
                  execution=model, **details)


def state(model: Model, position: int, start_details: Mapping[str, Any], end_details: Mapping[str, Any]) -> Event:
    """Return the event that tells how an execution is now.

    Parameters
    ----------
    model : dict
        Its model.
    position : int
        Its position in the line, if it waits.
    start_details, end_details : mapping
        What `notebook_start` and the last event say that is not in the model.
    """
    if model["completed_at"] is not None:
        return notebook_end(model, **end_details)
    if model["started_at"] is not None:
        return notebook_start(model, **start_details)
    return notebook_queue(model, position)


def cell_start(exec_id: str, timestamp: float, progress: str, cell: Dict[str, Any]) -> Event:
    """Return the event of a cell that has started: the cell in notebook format, without outputs."""
    return _event(CELL_START, exec_id, timestamp, progress=progress, cell=excerpt_of_cell(dict(cell, outputs=[])))


def cell_end(exec_id: str, timestamp: float, progress: str, cell: Dict[str, Any],
             widgets: Mapping[str, str]) -> Event:
    """Return the event of a cell that has ended; a source or an exception that is too long is cut.

    `widgets` is what the widgets in its outputs show, as text, by their ids.
    """
    return _event(CELL_END, exec_id, timestamp, progress=progress, cell=excerpt_of_cell(cell), **_widgets(widgets))


def output(exec_id: str, progress: str, outputs: List[Dict[str, Any]], replace: bool,
           widgets: Mapping[str, str]) -> Event:
    """Return the event of a running cell's output: new output, or if `replace` all of it so far.

    `widgets` is what those of its widgets show that have changed, as text, by their ids.
    """
    return _event(OUTPUT, exec_id, now().timestamp(), progress=progress, outputs=outputs, replace=replace,
                  **_widgets(widgets))


def _widgets(texts: Mapping[str, str]) -> Dict[str, Dict[str, str]]:
    return {"widgets": dict(texts)} if texts else {}


def change(name: str, exec_id: str, timestamp: float, model: Optional[Model] = None) -> Event:
    """Return the event of a change in the list of executions; a deleted one has no model."""
    return _event(name, exec_id, timestamp, **({} if model is None else {"execution": model}))


def line(value: Event) -> bytes:
    r"""Return the event as one line of JSON, ended by ``\n``."""
    return json.dumps(value).encode("ascii") + b"\n"


def numbered(number: int, line: bytes) -> bytes:
    """Return the line of an event, or its first bytes, with the number inserted."""
    return b'{"seq": %d, ' % number + line[1:]
