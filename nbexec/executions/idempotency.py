"""Requests that come again: the same key means the same execution.

See the draft "The Idempotency-Key HTTP Header Field" of the IETF. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
from typing import Dict, Optional, Tuple

from ..errors import IdempotencyKeyReusedError
from ..execution import RunArguments
from .store import ExecutionStore


class IdempotencyKeys:
    """The keys of requests, those that are under way included.

    Parameters
    ----------
    store : ExecutionStore
        Keeps the keys of executions that were recorded.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._under_way: Dict[str, Tuple[str, asyncio.Future[str]]] = {}

    async def find(self, key: str, arguments: RunArguments) -> Optional[str]:
        """Return the id of the execution that this request has started before, or None.

        Raises
        ------
        IdempotencyKeyReusedError
            The key came with another request.
        NbExecError
            The request came a moment ago, and was refused.
        """
        if key in self._under_way:
            first, started = self._under_way[key]
            _check(key, arguments, first, None)
            return await asyncio.shield(started)
        known = self._store.find_key(key)
        if known is None:
            return None
        _check(key, arguments, *known)
        return known[1]

    def begin(self, key: str, arguments: RunArguments) -> None:
        """Let those who come with the same key wait until `end`."""
        self._under_way[key] = arguments.digest(), asyncio.get_event_loop().create_future()

    def end(self, key: str, exec_id: str = "", error: Optional[Exception] = None) -> None:
        """Tell them which execution was started, or why none."""
        _, started = self._under_way.pop(key)
        if error is None:
            started.set_result(exec_id)
        else:
            started.set_exception(error)
            started.exception()  # which says that it does not matter if nobody waits


def _check(key: str, arguments: RunArguments, first: str, exec_id: Optional[str]) -> None:
    if not arguments.has_digest(first):
        raise IdempotencyKeyReusedError(key, exec_id)
