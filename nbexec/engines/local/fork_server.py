"""What the notebook server knows of a fork server.

A fork server is never repaired: when it is no longer fit, another one takes its place, and it exits after its last
child.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from typing import Callable, Optional, Union

from tornado.ioloop import IOLoop

from ...fork_protocol import ForkServerFailed, ForkServerReady, LineBuffer, Message, RunnerEnded
from ...processes import is_stopped
from ...protocol import request_retirement, request_runner

Report = Union[ForkServerReady, ForkServerFailed]
ENDED = "it has ended unexpectedly"
_MOMENT = 0.1  # seconds
_AGAIN = 5.0  # seconds after which to retry what failed


class ForkServerHandle:
    """A fork server that was started.

    Parameters
    ----------
    process : Popen
        Its process.
    control : socket
        The connection to it.
    on_report : callable
        Called with its report, once it is ready or has failed.
    on_end : callable
        Called when it ends without having been told to.
    address : str
        The address on which it listens, if any.
    on_runner_end : callable
        Called with the pid of a runner that was killed or failed, and with a description of how it ended.
    """

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, on_report: Callable[[Report], None],
                 on_end: Callable[[], None], address: str = "",
                 on_runner_end: Callable[[int, str], None] = lambda pid, how: None) -> None:
        self.process = process
        self.address = address
        self.report: Optional[Report] = None
        self._reported = 0.0
        self._control = control
        self._control.setblocking(False)
        self._on_report = on_report
        self._on_end = on_end
        self._on_runner_end = on_runner_end
        self._forks = 0
        self._retired = False
        self._ended = False
        self._given_up = ""
        self._lines = LineBuffer()
        IOLoop.current().add_handler(self._control.fileno(), self._listen, IOLoop.READ)

    def fork_runner(self, runner_end: socket.socket, spare: bool) -> None:
        """Have a runner forked that serves `runner_end`.

        Raises
        ------
        OSError
            The fork server is gone, or does not read its requests.
        """
        self.count()
        request_runner(self._control, runner_end, spare)

    @property
    def problem(self) -> str:
        """Why it cannot fork anything, as reported; empty if it can."""
        return self.report.problem if isinstance(self.report, ForkServerFailed) else ""

    def count(self) -> None:
        """Count one more fork."""
        self._forks += 1

    @property
    def is_stopped(self) -> bool:
        """Whether its process is stopped (SIGSTOP)."""
        return is_stopped(self.process.pid)

    def give_up(self, reason: str) -> None:
        """Have it replaced before the next start."""
        self._given_up = reason

    def unfit(self, max_forks: int) -> str:
        """Return why it has to be replaced; empty if it is fit."""
        if self._given_up:
            return self._given_up
        if self.problem and time.monotonic() - self._reported < _AGAIN:
            return ""  # another one would fail in the same way
        if self._ended or self.process.poll() is not None:
            return ENDED
        if 0 < max_forks <= self._forks:
            return f"it has forked {self._forks} times"
        files = self.report.files if isinstance(self.report, ForkServerReady) else {}
        changed = sorted(path for path, time in files.items() if _changed_at(path) != time)
        if changed:
            return f"{changed[0]} has changed"
        return ""

    def retire(self) -> None:
        """Have it exit after its last child, however long that takes."""
        self._retired = True
        try:
            request_retirement(self._control)
        except OSError:
            pass  # it has already exited

    def close(self) -> None:
        """Disconnect, which makes it exit, even if it is stopped; this works without a running loop."""
        self._control.close()
        self.process.send_signal(signal.SIGCONT)

    def abandon(self) -> None:
        """Close the connection in a forked process only; the parent goes on using it."""
        self._control.close()

    def _listen(self, descriptor: int, events: int) -> None:
        """Handle its messages, and its end."""
        try:
            data = self._control.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for message in self._lines.messages(data):
            self._take(message)
        if not data:
            IOLoop.current().remove_handler(descriptor)
            self._control.close()
            self._ended = True
            self._reap()
            if not self._retired:
                self._on_end()

    def _take(self, message: Message) -> None:
        if isinstance(message, (ForkServerReady, ForkServerFailed)):
            self.report = message
            self._reported = time.monotonic()
            self._on_report(message)
        elif isinstance(message, RunnerEnded):
            self._on_runner_end(message.pid, message.how)

    def _reap(self) -> None:
        """Leave no zombie: the process ends a moment after it has closed its connection."""
        if self.process.poll() is None:
            IOLoop.current().call_later(_MOMENT, self._reap)


def _changed_at(path: str) -> Optional[int]:
    """Return the time of a file's last change in nanoseconds, or None if there is no such file."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
