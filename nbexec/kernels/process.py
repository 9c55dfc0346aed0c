"""The process of a kernel, seen from its runner: a child, or a child of a keeper in another interpreter."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from typing import Optional, Union

from ..forked.child_processes import Children

_PATIENCE = 5.0  # seconds that a keeper may take to end what it keeps


class ChildProcess:
    """A kernel that is a child of this process.

    Parameters
    ----------
    pid : int
        Its process, which leads a process group.
    children : Children
        Notices its end.
    """

    def __init__(self, pid: int, children: Children) -> None:
        self._pid = pid
        self._children = children

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the process may have ended."""
        return self._children.fileno()

    def status(self) -> Optional[int]:
        """Return the wait status of the process, None while it lives."""
        return self._children.reap().get(self._pid)

    def signal(self, number: int) -> None:
        """Send a signal to the process and its group."""
        _signal_group(self._pid, number)

    def kill(self) -> None:
        """Kill the process, and what it has started."""
        if self.status() is None:
            self.signal(signal.SIGKILL)
        self._children.kill_all()


class KeptProcess:
    """A kernel that a keeper looks after.

    Parameters
    ----------
    keeper : socket
        The connection to the keeper.
    """

    def __init__(self, keeper: socket.socket) -> None:
        self._keeper = keeper
        self._keeper.setblocking(False)
        self._pid = 0
        self._status: Optional[int] = None
        self._left = b""
        self._gone = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the process may have ended."""
        return self._keeper.fileno()

    def status(self) -> Optional[int]:
        """Return the wait status of the process, None while it lives."""
        self._read()
        return self._status

    def signal(self, number: int) -> None:
        """Send a signal to the process and its group."""
        self._read()
        if self._pid and self._status is None:
            _signal_group(self._pid, number)

    def kill(self) -> None:
        """Kill the process, and what it has started."""
        self.signal(signal.SIGKILL)
        try:
            self._keeper.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone
        deadline = time.monotonic() + _PATIENCE
        while not self._gone and time.monotonic() < deadline:
            select.select([self._keeper], [], [], deadline - time.monotonic())
            self._read()

    def _read(self) -> None:
        while not self._gone:
            try:
                data = self._keeper.recv(1024)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._gone = True
                if self._status is None:
                    self._status = signal.SIGKILL  # as the system does to a kernel that has lost its keeper
            *lines, self._left = (self._left + data).split(b"\n")
            for line in lines:
                what, number = line.split()
                if what == b"pid":
                    self._pid = int(number)
                else:
                    self._status = int(number)


KernelProcess = Union[ChildProcess, KeptProcess]


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended
