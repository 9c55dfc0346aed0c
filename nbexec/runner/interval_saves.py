"""Saves a notebook at intervals while it runs, in a child process, so that no cell waits for it.

A fork is a snapshot that takes milliseconds, however much output there is. The child must use nothing of its parent
but memory: the sockets, the pipe to the server and the lock of the note are those of the parent alone.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import signal
import time
import warnings
from contextlib import suppress
from typing import Callable, Optional

from ..forked.child_processes import Children
from ..processes import exit_code, how_ended

_log = logging.getLogger("nbexec")
_SHARE = 10  # as many times longer than the processor time of a save the pause after it is, at least
_PATIENCE = 5.0  # seconds that a killed child may take to go; longer only in an uninterruptible system call
_NICENESS = 19
_FIRST_TO_KILL = "1000"  # for the out-of-memory killer: rather this child than the kernel
_MOST_DESCRIPTORS = 1 << 20


class IntervalSaves:
    """The saves of one notebook while it runs.

    Parameters
    ----------
    interval : float
        Seconds between two saves; 0 is none at all.
    children : Children
        Notices the end of the child.
    prepare : callable
        Called before each save; returns what saves the notebook, which the child calls.
    """

    def __init__(self, interval: float, children: Children, prepare: Callable[[], Callable[[], None]]) -> None:
        self._interval = interval if hasattr(os, "fork") else 0.0
        self._children = children
        self._prepare = prepare
        self._child: Optional[int] = None
        self._has_failed = False
        self._used_before = self._pause = 0.0
        self._not_before = time.monotonic() + self._interval
        self.due = math.inf  # when there is something to save, in monotonic seconds

    def note(self) -> None:
        """There is something new."""
        if self._interval and self.due == math.inf:
            self.due = self._not_before

    def save_if_due(self) -> None:
        """Save what is new, unless that was done a moment ago or is still being done."""
        now = time.monotonic()
        if now < self.due:
            return
        if self._is_saving():
            self.due = now + self._interval
            return
        self.due = math.inf
        self._not_before = now + max(self._interval, self._pause)
        self._fork()

    def end(self) -> None:
        """Save nothing any more; what is being saved is abandoned."""
        self._interval, self.due = 0.0, math.inf
        if self._child is not None and self._child not in self._children.reap():
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._children.wait(self._child, _PATIENCE)
        self._child = None

    def _is_saving(self) -> bool:
        if self._child is None:
            return False
        status = self._children.reap().get(self._child)
        if status is None:
            return True
        self._child = None
        self._pause = _SHARE * (_used_by_children() - self._used_before)
        self._note_failure(exit_code(status))
        return False

    def _note_failure(self, code: int) -> None:
        """Log that a child was killed; any other failure it has logged itself, the first time."""
        if code < 0 and not self._has_failed:
            _log.warning("The notebook could not be saved while it runs: %s.", how_ended(code))
        self._has_failed = self._has_failed or code != 0

    def _fork(self) -> None:
        self._used_before = _used_by_children()
        save = self._prepare()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the threads of ZeroMQ
            try:
                pid = os.fork()
            except OSError:
                return  # the next time it may work
            if pid == 0:
                self._be_child(save)
        self._child = pid

    def _be_child(self, save: Callable[[], None]) -> None:
        """Save and go, whatever happens, without the `atexit` handlers of the parent."""
        code = 1
        try:
            _let_go()
            save()
            code = 0
        except BaseException as error:
            if not self._has_failed:
                _log.warning("The notebook could not be saved while it runs: %s", error or type(error).__name__)
        finally:
            os._exit(code)


def _let_go() -> None:
    """Keep nothing of the parent open, and stay out of the way of everybody else."""
    gc.disable()  # nothing of the parent is finalized here
    signal.set_wakeup_fd(-1)
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), _MOST_DESCRIPTORS))
    os.nice(_NICENESS)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_FIRST_TO_KILL)


def _used_by_children() -> float:
    times = os.times()
    return times.children_user + times.children_system
