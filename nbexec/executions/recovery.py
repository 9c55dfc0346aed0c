"""Executions whose runners have lost their server, or the way to it.

Runners leave notes of how they ended. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
import time
from typing import Callable, Optional

from .. import events
from ..errors import ExecutionNotFoundError, ServerGoneError, kind_of
from ..execution import COMPLETED, RECORDED_DETAILS, Execution, error_status
from ..files.end_notes import Notes
from ..protocol import Ended
from .store import ExecutionStore

_log = logging.getLogger("nbexec")
_LOOK_AGAIN = 0.2  # seconds until the next look whether the runner is gone
_SAVING = 12.0  # seconds that a runner may take to save when the way to it is lost


class Recovery:
    """The notes of runners.

    Parameters
    ----------
    store : ExecutionStore
        The records.
    notes : Notes, optional
        The notes, if there is somebody to read them.
    ended : callable
        Called with the id of each execution that gets its final state.
    """

    def __init__(self, store: ExecutionStore, notes: Optional[Notes], ended: Callable[[str], None]) -> None:
        self._store = store
        self._notes = notes
        self._ended = ended

    def note_of(self, execution: Execution) -> Optional[str]:
        """Return the path for the note of an execution's runner, None if nobody would read it."""
        return None if self._notes is None else self._notes.path_of(execution.exec_id)

    async def left(self, execution: Execution) -> Optional[Ended]:
        """Return how a runner has ended that was lost, as it has noted it; None if it had no time to."""
        if self._notes is None:
            return None
        deadline = time.monotonic() + _SAVING
        while self._notes.is_held(execution.exec_id) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_AGAIN)
        note = self._notes.read(execution.exec_id)
        if note is None:
            return None
        try:
            return Ended(note["output_name"], note["error"], note.get("kind"), note["progress"],
                         note.get("details", {}))
        except ValueError:  # a worker can write to the folder
            return None

    def forget(self, execution: Execution) -> None:
        """Remove the note of an execution that has its final state."""
        if self._notes is not None:
            self._notes.remove(execution.exec_id)

    def begin(self) -> None:
        """Give the executions of an earlier server their final states, as soon as their runners are gone."""
        unfinished = self._store.unfinished()
        if self._notes is not None:
            for name in set(self._notes.names()) - {execution.exec_id for execution in unfinished}:
                self._notes.remove(name)
        for execution in unfinished:
            self._recover(execution)

    def _recover(self, execution: Execution) -> None:
        if self._notes is not None and self._notes.is_held(execution.exec_id):  # its runner is still saving
            asyncio.get_event_loop().call_later(_LOOK_AGAIN, self._recover, execution)
            return
        note = (self._notes.read(execution.exec_id) if self._notes else None) or {}
        error = note.get("error", str(ServerGoneError()))
        execution.status = COMPLETED if error is None else error_status(error)
        execution.completed_at = note.get("timestamp", events.now().timestamp())
        execution.progress = note["progress"] if error is None else execution.progress
        details = dict(note.get("details", {}))
        execution.results = details.get("results", {})
        if error is not None:
            details["kind"] = kind_of(note.get("kind") or ServerGoneError.__name__)
        execution.end_details = {name: details[name] for name in RECORDED_DETAILS if name in details}
        name = note.get("output_name")
        directory = posixpath.dirname(execution.output_path or execution.path)
        execution.output_path = None if name is None else posixpath.join(directory, name)
        try:
            self._store.get_model(execution.exec_id)
            self._store.save(execution)
            self._ended(execution.exec_id)
            _log.warning("Execution %s of %s was running when its server stopped; it is recorded as %s.",
                         execution.exec_id, execution.path, "completed" if error is None else "failed")
        except ExecutionNotFoundError:
            pass  # it was deleted in the meantime
        self.forget(execution)
