"""The events of an execution, wherever it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Iterator, Optional, Type, TypeVar

from .result import Event

AnyStream = TypeVar("AnyStream", bound="EventStream")


class EventStream(Iterator[Event], ABC):
    """Yields each event of an execution once and in order, up to the last one; any thread may close it.

    Attributes
    ----------
    exec_id : str, optional
        The id of the execution, once it is known.
    """

    exec_id: Optional[str] = None

    def __iter__(self: AnyStream) -> AnyStream:
        return self

    def __enter__(self: AnyStream) -> AnyStream:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the iteration, even while another thread waits for an event. The execution continues."""
