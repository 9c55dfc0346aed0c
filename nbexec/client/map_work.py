"""The threads that run a notebook many times, a few at a time; they know nothing of whoever takes the results."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Iterable, List, Mapping, Optional, Set, Tuple

from ..errors import NbExecError
from ..waits import LONGEST_WAIT
from .api_error import ApiError
from .event_stream import EventStream
from .result import Result

_BUSY = 429
_PAUSE = 1.0  # seconds after which a busy server is asked again, if it does not say
Values = Mapping[str, Any]
Run = Callable[[int, Values, Callable[[EventStream], None]], Result]


class MapWork:
    """Runs a notebook once for each set of values, and holds a few results ready.

    Parameters
    ----------
    run : callable
        Runs the notebook with the values of an index and returns the result; tells its stream before it starts.
    params : iterable of mappings
        The values.
    jobs : int
        How many executions there are at once. As many results again may wait to be taken, then no more are started.
    """

    def __init__(self, run: Run, params: Iterable[Values], jobs: int) -> None:
        self._run = run
        self._params = enumerate(params)
        self._jobs = jobs
        self.changed = threading.Condition()
        self._results: Deque[Result] = deque()
        self._streams: Set[EventStream] = set()
        self._stopped = False
        self._problem: Optional[BaseException] = None  # of whoever makes the values
        self._taking = threading.Lock()  # an iterator is for one thread at a time
        self._workers = jobs
        for _ in range(jobs):
            threading.Thread(target=self._work, daemon=True).start()

    def take(self) -> Optional[Result]:
        """Wait for the next result and return it, None if there are no more; raise what the values have raised."""
        with self.changed:
            while not self._results and self._workers and not self._stopped:
                self.changed.wait(LONGEST_WAIT)
            result = self._results.popleft() if self._results else None
            self.changed.notify_all()
        if result is None and self._problem is not None:
            raise self._problem
        return result

    def stop(self) -> None:
        """Start no more executions, and have those that run shut down."""
        with self.changed:
            self._stopped = True
            streams = list(self._streams)
            self.changed.notify_all()
        for stream in streams:
            stream.close()

    def join(self) -> None:
        """Wait until nothing runs."""
        with self.changed:
            while self._streams:
                self.changed.wait(LONGEST_WAIT)

    # -- in a thread for each job -----------------------------------------------------------------

    def _work(self) -> None:
        try:
            while True:
                item = self._next_values()
                if item is None:
                    return
                self._put(self._result_of(*item), *item)
        except BaseException as error:
            self._problem = error
        finally:
            with self.changed:
                self._workers -= 1
                self.changed.notify_all()

    def _next_values(self) -> Optional[Tuple[int, Values]]:
        """Return the next index and values when there is room for a result, None when there are no more."""
        with self.changed:
            while len(self._results) >= self._jobs and not self._stopped:
                self.changed.wait(LONGEST_WAIT)
        with self._taking:
            return None if self._stopped or self._problem is not None else next(self._params, None)

    def _result_of(self, index: int, values: Values) -> Optional[Result]:
        """Run the notebook; a server that is busy is asked again. None if all was stopped."""
        while not self._stopped:
            streams: List[EventStream] = []
            try:
                return self._run(index, values, partial(self._begin, streams))
            except ApiError as error:
                if error.status != _BUSY:
                    return Result({}, error)
                self._pause(error.retry_after or _PAUSE)
            except (NbExecError, ValueError, TypeError) as error:
                return None if self._stopped else _failed(error)
            finally:
                with self.changed:
                    self._streams.difference_update(streams)
                    self.changed.notify_all()
        return None

    def _begin(self, streams: List[EventStream], stream: EventStream) -> None:
        streams.append(stream)
        with self.changed:
            self._streams.add(stream)
            if self._stopped:
                stream.close()

    def _pause(self, seconds: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self._stopped, seconds)

    def _put(self, result: Optional[Result], index: int, values: Values) -> None:
        if result is None:
            return
        result.index, result.params = index, values
        with self.changed:
            self._results.append(result)
            self.changed.notify_all()


def _failed(error: Exception) -> Result:
    """Return the result of an execution that was not started: its values cannot be sent."""
    return Result({}, error if isinstance(error, NbExecError) else NbExecError(str(error)))
