"""The executions that an earlier server could not see to their ends.

What became of them is in the notes of their runners. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
from typing import Callable, Optional

from .. import events
from ..errors import ExecutionNotFoundError, ServerGoneError
from ..execution import COMPLETED, RECORDED_DETAILS, Execution, error_status
from .store import ExecutionStore

_log = logging.getLogger("nbexec")
_LOOK_AGAIN = 0.2  # seconds until it is looked again whether the runner has gone


class Recovery:
    """The notes that belong to a store, if that survives its server.

    Parameters
    ----------
    store : ExecutionStore
        Where the executions are kept.
    ended : callable
        Called with the id of each execution that has got its final state.
    """

    def __init__(self, store: ExecutionStore, ended: Callable[[str], None]) -> None:
        self._store = store
        self._ended = ended
        self._notes = store.notes

    def note_of(self, execution: Execution) -> Optional[str]:
        """Return where the runner of an execution leaves its note, None if nobody would read it."""
        return None if self._notes is None else self._notes.path_of(execution.exec_id)

    def forget(self, execution: Execution) -> None:
        """Remove the note of an execution that was seen to its end."""
        if self._notes is not None:
            self._notes.remove(execution.exec_id)

    def begin(self) -> None:
        """Give all executions that are left from an earlier server their final states, as soon as they have them."""
        unfinished = self._store.unfinished()
        if self._notes is not None:
            for name in set(self._notes.names()) - {execution.exec_id for execution in unfinished}:
                self._notes.remove(name)
        for execution in unfinished:
            self._recover(execution)

    def _recover(self, execution: Execution) -> None:
        if self._notes is not None and self._notes.is_held(execution.exec_id):  # its runner is saving what there is
            asyncio.get_event_loop().call_later(_LOOK_AGAIN, self._recover, execution)
            return
        fact = (self._notes.read(execution.exec_id) if self._notes else None) or {}
        error = fact.get("error", str(ServerGoneError()))
        execution.status = COMPLETED if error is None else error_status(error)
        execution.completed_at = fact.get("timestamp", events.now().timestamp())
        execution.progress = fact["progress"] if error is None else execution.progress
        details = fact.get("details", {})
        execution.end_facts = {name: details[name] for name in RECORDED_DETAILS if name in details}
        name = fact.get("output_name")
        directory = posixpath.dirname(execution.output_path or execution.path)
        execution.output_path = None if name is None else posixpath.join(directory, name)
        try:
            self._store.get_model(execution.exec_id)
            self._store.save(execution)
            self._ended(execution.exec_id)
            _log.warning("Execution %s of %s was running when its server stopped; it is recorded as %s.",
                         execution.exec_id, execution.path, "completed" if error is None else "failed")
        except ExecutionNotFoundError:
            pass  # it was deleted since
        self.forget(execution)
