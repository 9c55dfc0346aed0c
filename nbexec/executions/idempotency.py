"""Repeated requests: the same key means the same execution.

See the draft "The Idempotency-Key HTTP Header Field" of the IETF. It belongs to the loop thread.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import Dict, Iterator, Optional, Tuple

from ..errors import IdempotencyKeyReusedError
from ..run_arguments import RunArguments
from .store import ExecutionStore


class IdempotencyKeys:
    """The keys of requests, including those still being checked.

    Parameters
    ----------
    store : ExecutionStore
        Keeps the keys of recorded executions.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._under_way: Dict[str, Tuple[str, asyncio.Future[str]]] = {}

    async def find(self, key: str, arguments: RunArguments) -> Optional[str]:
        """Return the id of the execution that the same request has started before, or None.

        Raises
        ------
        IdempotencyKeyReusedError
            The key was used for another request.
        NbExecError
            The same request is being checked, and was refused.
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

    @contextmanager
    def claim(self, key: str, arguments: RunArguments) -> Iterator[asyncio.Future[str]]:
        """Make requests with the same key wait while this one is being checked.

        Yields a future for the id of the execution. Its result is the answer to the others, and so is an error.
        """
        started: asyncio.Future[str] = asyncio.get_event_loop().create_future()
        self._under_way[key] = arguments.digest(), started
        try:
            yield started
        except Exception as error:
            started.set_exception(error)
            started.exception()  # marks it as seen, for nobody may be waiting
            raise
        finally:
            del self._under_way[key]


def _check(key: str, arguments: RunArguments, first: str, exec_id: Optional[str]) -> None:
    if not arguments.has_digest(first):
        raise IdempotencyKeyReusedError(key, exec_id)
