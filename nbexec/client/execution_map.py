"""The results of many executions of one notebook, as they come."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Iterable, Iterator, List, Optional, Sized, Type

from .map_view import following_map
from .map_work import MapWork, Run, Values
from .result import Result


class ExecutionMap(Iterator[Result]):
    """The results of many executions, as they arrive; returned by `Client.map`.

    Several threads may iterate over it. Executions that are still running are shut down at the end of a ``with``
    block, by `cancel`, by Ctrl-C during an iteration, and when the object is garbage-collected.
    """

    def __init__(self, run: Run, params: Iterable[Values], jobs: int, progress: bool = False) -> None:
        if jobs < 1:
            raise ValueError(f"jobs: expected a positive integer, got {jobs}")
        self._view = following_map(progress, len(params) if isinstance(params, Sized) else None)
        self._view.begin()
        self._work = MapWork(run, params, jobs)
        weakref.finalize(self, self._work.stop).atexit = False

    def __iter__(self) -> ExecutionMap:
        return self

    def __next__(self) -> Result:
        try:
            result = self._work.take()
        except BaseException:  # Ctrl-C, or what the values have raised
            self.cancel()
            raise
        if result is None:
            self._view.end()
            raise StopIteration
        self._view.add(result)
        return result

    def __enter__(self) -> ExecutionMap:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.cancel()

    def results(self) -> List[Result]:
        """Wait for all remaining results and return them in the order of the values."""
        return sorted(self, key=lambda result: result.index or 0)

    def cancel(self) -> None:
        """Shut down the running executions, wait until they have ended, and start no more."""
        self.stop()
        self._work.join()
        self._view.end()

    def stop(self) -> None:
        """Shut down the running executions without waiting, and start no more."""
        self._work.stop()
