"""The process of a kernel that was forked in another interpreter, seen through its keeper."""

from __future__ import annotations

import signal
import socket
import time
from typing import Optional

from ..fork_protocol import KernelEnded, KernelForked, LineBuffer
from ..processes import exit_code
from ..readiness import readable
from .process import KernelProcess, signal_group

_PATIENCE = 5.0  # maximum seconds until a keeper has killed everything


class KeptProcess(KernelProcess):
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
        self._code: Optional[int] = None
        self._lines = LineBuffer()
        self._is_gone = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the process may have ended."""
        return self._keeper.fileno()

    def poll(self) -> Optional[int]:
        """Return the exit code of the process, None while it lives."""
        self._read()
        return self._code

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process and its group."""
        if self.poll() is None and self._pid:
            signal_group(self._pid, signum)

    def kill(self) -> None:
        """Kill the process and what it has started, and wait until they are gone."""
        self.send_signal(signal.SIGKILL)
        try:
            self._keeper.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone
        deadline = time.monotonic() + _PATIENCE
        while not self._is_gone and time.monotonic() < deadline:
            readable([self._keeper], deadline - time.monotonic())
            self._read()

    def _read(self) -> None:
        while not self._is_gone:
            try:
                data = self._keeper.recv(1024)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self._take(data)
            else:
                self._lose()

    def _take(self, data: bytes) -> None:
        for message in self._lines.messages(data):
            if isinstance(message, KernelForked):
                self._pid = message.pid
            elif isinstance(message, KernelEnded):
                self._code = exit_code(message.status)

    def _lose(self) -> None:
        self._is_gone = True
        if self._code is None:
            self._code = -signal.SIGKILL  # the system kills a kernel whose keeper has died
