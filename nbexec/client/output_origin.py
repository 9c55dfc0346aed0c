"""Whether an output notebook is that of an execution, and not of another one that has replaced it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, Iterator

from ..errors import NbExecError

_ROUNDING = 0.001  # seconds; the times in a notebook end with microseconds


def check_origin(notebook: Dict[str, Any], model: Dict[str, Any]) -> None:
    """Raise unless the cells of a notebook were executed while the execution ran."""
    started, ended = model.get("started_at"), model.get("completed_at")
    if started is None or ended is None:
        return
    if any(not started - _ROUNDING <= moment <= ended + _ROUNDING for moment in _starts(notebook)):
        raise NbExecError(f"{model.get('output_path')} is not the output of execution {model.get('exec_id')} any "
                          "more: another one has replaced it")


def _starts(notebook: Dict[str, Any]) -> Iterator[float]:
    """Yield when each cell started."""
    for cell in notebook.get("cells", []):
        text = cell.get("metadata", {}).get("nbexec", {}).get("start_time")
        try:
            if text is not None:
                yield datetime.fromisoformat(text).timestamp()
        except (TypeError, ValueError):
            yield 0.0  # what others have written there is no time of ours
