"""Whether the values that a page sends were typed there, or come from an execution that somebody else started.

Running an execution again from a page must not turn the text of an API caller into text of the logged-in user. It
belongs to the loop thread.
"""

from __future__ import annotations

from collections import deque
from typing import Deque, Mapping, Optional

from ..errors import ExecutionNotFoundError
from .store import ExecutionStore

_REMEMBERED = 10_000  # executions; running an older one again from a page only leaves its output untrusted


class TypedValues:
    """Remembers the executions with typed values.

    Parameters
    ----------
    store : ExecutionStore
        The records.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._exec_ids: Deque[str] = deque(maxlen=_REMEMBERED)

    def add(self, exec_id: str) -> None:
        """Remember that the values of an execution were typed."""
        self._exec_ids.append(exec_id)

    def are_typed(self, params: Mapping[str, str], exec_id: Optional[str]) -> bool:
        """Whether none of the values was given by somebody else to the execution that the page has taken them from.

        Parameters
        ----------
        params : mapping
            The values, as text.
        exec_id : str, optional
            The execution from which the page has filled its form.
        """
        if exec_id is None or exec_id in self._exec_ids:
            return True
        try:
            known = self._store.get_model(exec_id)["params"]
        except ExecutionNotFoundError:
            return False
        return all(known.get(name) != value for name, value in params.items())
