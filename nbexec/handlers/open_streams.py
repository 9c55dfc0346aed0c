"""How many streams are open, and how many more there may be.

A stream takes a descriptor for as long as it goes on, and its execution some more. If streams took all there are,
nobody else would get in, and the server could not even start what it has accepted. It belongs to the loop thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from ..errors import TooManyStreamsError
from . import descriptors

_OTHERS = 64  # descriptors that are left to all else
_OF_ONE = 3  # descriptors: its connection, the pipe to the runner, the file of the events
_RETRY_AFTER = 5  # seconds


class OpenStreams:
    """The streams of a server."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a stream as long as this lasts.

        Raises
        ------
        TooManyStreamsError
            There are as many as there may be.
        """
        most = max(1, (descriptors.limit() - _OTHERS) // _OF_ONE)
        if self.count >= most:
            raise TooManyStreamsError(int(most), _RETRY_AFTER)
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
