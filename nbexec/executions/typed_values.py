"""Whether the values that a page sends were typed there, or taken over from an execution that somebody else started.

To run something again in a page must not make the text of a caller of the API that of who is logged in. It belongs to
the loop thread.
"""

from __future__ import annotations

from collections import deque
from typing import Deque, Mapping, Optional

from ..errors import ExecutionNotFoundError
from .store import ExecutionStore

_REMEMBERED = 10_000  # executions; a page that runs an older one again only leaves its output without trust


class TypedValues:
    """Remembers the executions whose values were typed.

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
        """Whether none of the values is one that somebody else gave to the execution that they were taken from.

        Parameters
        ----------
        params : mapping
            The values, as text.
        exec_id : str, optional
            The execution that the page has filled its form from.
        """
        if exec_id is None or exec_id in self._exec_ids:
            return True
        try:
            known = self._store.get_model(exec_id)["params"]
        except ExecutionNotFoundError:
            return False
        return all(known.get(name) != value for name, value in params.items())
