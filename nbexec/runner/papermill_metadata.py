"""What papermill writes into the metadata of an output notebook, in the same form, for the tools that read it.

Events do not have it: it is put into the notebook just before that is saved.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Collection, Dict, Mapping, Optional

from nbformat import NotebookNode

from .. import events
from ..secret_values import MASK

FORMAT = "2.7.0"  # the version of papermill whose form this is
_LONGEST_NUMBER = 2**13  # bits; not every program reads longer ones
_PENDING: Dict[str, Any] = {"start_time": None, "end_time": None, "duration": None, "exception": None,
                            "status": "pending"}


class PapermillMetadata:
    """The metadata of one execution.

    Parameters
    ----------
    nb : NotebookNode
        The notebook.
    path : str
        API path of the source notebook.
    output_path : str, optional
        API path that was requested for the output notebook.
    parameters : mapping
        The values that were given.
    secret : collection of str
        The names of those that must not be shown.
    """

    def __init__(self, nb: NotebookNode, path: str, output_path: Optional[str], parameters: Mapping[str, object],
                 secret: Collection[str]) -> None:
        self._nb = nb
        self._started_at = events.now()
        self._about: Dict[str, Any] = {"input_path": path, "output_path": output_path}
        if parameters:
            self._about["parameters"] = {name: MASK if name in secret else _as_json(value)
                                         for name, value in parameters.items()}

    def write(self, failed: Collection[int], reached: int, running: Optional[int] = None) -> None:
        """Put it into the notebook and its cells.

        Parameters
        ----------
        failed : collection of int
            Indices of the cells that failed.
        reached : int
            Index of the last cell that was executed or passed over.
        running : int, optional
            Index of the cell that is being executed.
        """
        self._write_cells(failed, reached)
        if running is not None:
            cell = self._nb.cells[running]["metadata"]
            cell["papermill"].update(start_time=cell["nbexec"]["start_time"], status="running")
        ended_at = events.now()
        found = self._nb.metadata.get("papermill")
        metadata = NotebookNode(found) if isinstance(found, dict) else NotebookNode(
            default_parameters={}, parameters={}, environment_variables={}, version=FORMAT)
        metadata.update(self._about, **_times(self._started_at, ended_at), exception=True if failed else None)
        self._nb.metadata["papermill"] = metadata

    def _write_cells(self, failed: Collection[int], reached: int) -> None:
        latest = events.isoformat(self._started_at)
        for index, cell in enumerate(self._nb.cells):
            about = NotebookNode(_PENDING)
            if index <= reached:
                about.update(start_time=latest, end_time=latest, duration=0.0, exception=index in failed,
                             status="failed" if index in failed else "completed")
                about.update(cell["metadata"].get("nbexec", {}))
                latest = about["end_time"]
            cell["metadata"]["papermill"] = about


def _times(start: datetime, end: datetime) -> Dict[str, Any]:
    return {"start_time": events.isoformat(start), "end_time": events.isoformat(end),
            "duration": (end - start).total_seconds()}


def _as_json(value: Any) -> Any:
    """Return a value as JSON can have it."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        return hex(value)
    return value
