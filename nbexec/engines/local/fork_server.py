"""What the notebook server knows of a fork server.

A fork server is never repaired: if it does not do any more, another takes its place, and it goes when its last
child has gone.
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
_AGAIN = 5.0  # seconds after which it is worth while to try again what was not possible


class ForkServerHandle:
    """A fork server that was started.

    Parameters
    ----------
    process : Popen
        Its process.
    control : socket
        The connection to it.
    on_report : callable
        Called with what it reports once it is ready.
    on_end : callable
        Called when it ends, unless it was told to.
    address : str
        Where it listens, if it does.
    on_runner_end : callable
        Called with the pid of a runner that has not ended well, and with how it ended.
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
            The fork server is gone, or does not read.
        """
        self.count()
        request_runner(self._control, runner_end, spare)

    @property
    def problem(self) -> str:
        """Why it cannot fork anything, as it has reported; or nothing."""
        return self.report.problem if isinstance(self.report, ForkServerFailed) else ""

    def count(self) -> None:
        """Note that it forks once more."""
        self._forks += 1

    @property
    def is_stopped(self) -> bool:
        """Whether it does nothing until somebody continues it."""
        return is_stopped(self.process.pid)

    def give_up(self, reason: str) -> None:
        """Expect nothing of it any more."""
        self._given_up = reason

    def unfit(self, max_forks: int) -> str:
        """Return why another fork server is needed, or nothing."""
        if self._given_up:
            return self._given_up
        if self.problem and time.monotonic() - self._reported < _AGAIN:
            return ""  # another one would have it too
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
        """Let it go as soon as its children have gone, however long that takes."""
        self._retired = True
        try:
            request_retirement(self._control)
        except OSError:
            pass  # it has gone already

    def close(self) -> None:
        """Let it see that the server is gone, even if it was stopped; this works without a running loop."""
        self._control.close()
        self.process.send_signal(signal.SIGCONT)

    def abandon(self) -> None:
        """Close the connection in a forked process, without a word; the loop of the other one goes on with it."""
        self._control.close()

    def _listen(self, descriptor: int, events: int) -> None:
        """Take in what it has to say, once it is ready, or notice its end."""
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
        """Leave no zombie; there is a moment between the end of a connection and that of its process."""
        if self.process.poll() is None:
            IOLoop.current().call_later(_MOMENT, self._reap)


def _changed_at(path: str) -> Optional[int]:
    """Return when a file was changed, in nanoseconds, None if it is gone."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
