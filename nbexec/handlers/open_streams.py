"""The number of open streams, and its limit.

A stream holds a descriptor, and its execution holds some more. If streams took all descriptors, nobody else could
connect, and the server could not even start accepted executions. It belongs to the loop thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from ..errors import TooManyStreamsError
from . import descriptors

_OTHERS = 64  # descriptors to leave for all else
_OF_ONE = 3  # descriptors: its connection, the pipe to the runner, the file of the events
_RETRY_AFTER = 5  # seconds


class OpenStreams:
    """The streams of a server."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a stream for the duration of a ``with`` block.

        Raises
        ------
        TooManyStreamsError
            The limit is reached.
        """
        most = max(1, (descriptors.limit() - _OTHERS) // _OF_ONE)
        if self.count >= most:
            raise TooManyStreamsError(int(most), _RETRY_AFTER)
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
