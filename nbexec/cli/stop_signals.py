"""Signals that ask the command line to end.

They interrupt nothing: they are noted, whoever waits is told of the first, and the others change nothing. `timeout`,
for one, sends each signal twice, and an exception out of nowhere would end the clean-up that the first has begun.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, List, Optional, Type

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(Exception):
    """A signal came; `number` is which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopSignals:
    """Notes the signals that come during a ``with`` block, those that are ignored excepted."""

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
            # After one this process ends, and Python would take its own handlers away before that.
            signal.signal(number, handler if self.number is None else signal.SIG_IGN)

    def check(self) -> None:
        """Raise `Stopped` if a signal has come."""
        if self.number is not None:
            raise Stopped(self.number)

    def tell(self, told: Callable[[int], None]) -> None:
        """Call `told` with the first signal; it is called in the middle of anything, and must not wait for a lock."""
        self._told.append(told)

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        if self.number is None:
            self.number = number
            for told in self._told:
                told(number)
