"""Signals that tell the command line to stop.

They interrupt nothing: the first one is recorded and passed to whoever is waiting, and the others have no effect.
`timeout`, for one, sends each signal twice, and an exception at an arbitrary point would abort the clean-up that the
first one started.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, List, Optional, Type

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(Exception):
    """A signal arrived; `number` is its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopSignals:
    """Records the signals that arrive during a ``with`` block, except those that were being ignored."""

    def __init__(self) -> None:
        self.number: Optional[int] = None  # of the first
        self._told: List[Callable[[int], None]] = []
        self._previous: Dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
            self._previous = {number: signal.signal(number, self._note) for number in numbers
                              if signal.getsignal(number) is not signal.SIG_IGN}
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        for number, handler in self._previous.items():
            # After a signal this process ends, and Python would remove its own handlers before that.
            signal.signal(number, handler if self.number is None else signal.SIG_IGN)

    def check(self) -> None:
        """Raise `Stopped` if a signal has arrived."""
        if self.number is not None:
            raise Stopped(self.number)

    def tell(self, told: Callable[[int], None]) -> None:
        """Call `told` with the first signal; the call may happen at any point, so it must not wait for a lock."""
        self._told.append(told)

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        if self.number is None:
            self.number = number
            for told in self._told:
                told(number)
