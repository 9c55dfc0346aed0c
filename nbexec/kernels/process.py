"""The process of a kernel, seen from its runner.

The verbs are those of jupyter_client's provisioners.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from typing import Optional

from ..forked.child_processes import Children
from ..processes import exit_code


class KernelProcess(ABC):
    """The process of a kernel, wherever it is."""

    @abstractmethod
    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the process may have ended."""

    @abstractmethod
    def poll(self) -> Optional[int]:
        """Return the exit code of the process, None while it lives."""

    @abstractmethod
    def send_signal(self, signum: int) -> None:
        """Send a signal to the process and its group."""

    @abstractmethod
    def kill(self) -> None:
        """Kill the process and what it has started, and wait until they are gone."""


class ChildProcess(KernelProcess):
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

    def poll(self) -> Optional[int]:
        """Return the exit code of the process, None while it lives."""
        status = self._children.reap().get(self._pid)
        return None if status is None else exit_code(status)

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process and its group."""
        signal_group(self._pid, signum)

    def kill(self) -> None:
        """Kill the process and what it has started, and wait until they are gone."""
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)
        self._children.kill_all()


def signal_group(pid: int, signum: int) -> None:
    """Send a signal to the process group of a process, if it is there."""
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended
