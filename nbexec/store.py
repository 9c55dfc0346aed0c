"""Where the executions are kept: an SQLite database in memory, as the notebook server keeps its sessions.

It belongs to the loop thread.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Dict, Iterator

from .errors import ExecutionNotFoundError
from .execution import Execution

Model = Dict[str, Any]
_PAGE = 100  # models that are read in well below a millisecond


class ExecutionStore:
    """Keeps the models of executions, in the order in which they were added."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.execute("CREATE TABLE executions (number INTEGER PRIMARY KEY, exec_id TEXT UNIQUE NOT NULL, "
                               "model TEXT NOT NULL)")

    def save(self, execution: Execution) -> None:
        """Add an execution, or take over how it is now."""
        self._database.execute(
            "INSERT INTO executions (exec_id, model) VALUES (?, ?) "
            "ON CONFLICT (exec_id) DO UPDATE SET model = excluded.model",
            (execution.exec_id, json.dumps(execution.model())))

    def pages(self) -> Iterator[str]:
        """Yield all models as JSON, some at a time, separated by commas; what changes meanwhile may be seen or not."""
        number = 0
        while True:
            rows = self._database.execute(
                "SELECT number, model FROM executions WHERE number > ? ORDER BY number LIMIT ?", (number, _PAGE)
            ).fetchall()
            if not rows:
                return
            number = rows[-1][0]
            yield ", ".join(model for _, model in rows)

    def get_(self, exec_id: str) -> Model:
        """Return one model.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        row = self._database.execute("SELECT model FROM executions WHERE exec_id = ?", (exec_id,)).fetchone()
        if row is None:
            raise ExecutionNotFoundError(exec_id)
        model: Model = json.loads(row[0])
        return model

    def delete_(self, exec_id: str) -> None:
        """Forget one execution.

        Raises
        ------
        ExecutionNotFoundError
            There is none with this id.
        """
        if self._database.execute("DELETE FROM executions WHERE exec_id = ?", (exec_id,)).rowcount == 0:
            raise ExecutionNotFoundError(exec_id)

    def delete_all(self) -> None:
        """Forget all executions."""
        self._database.execute("DELETE FROM executions")
