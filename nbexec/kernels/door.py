"""The connection through which a forked kernel gets its assignment.

A kernel can be forked before its notebook is known. It reports when it is ready, gets its `Assignment`, and reports
when it has followed it.
"""

from __future__ import annotations

import socket

from ..fork_protocol import READY, Assignment, encode
from .plan import KernelPlan
from .watched import Watched, serve


class Door:
    """The runner's end of that connection.

    Parameters
    ----------
    sock : socket
        Its other end belongs to the kernel.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._due = len(READY)  # bytes that are still to come, whenever the kernel becomes ready
        self._is_closed = False

    def is_open(self) -> bool:
        """Whether the kernel has said that it is ready."""
        return not self._due

    def tell(self, plan: KernelPlan) -> None:
        """Send the kernel its assignment; it reports once more when it has followed it."""
        self._due += len(READY)
        try:
            self._socket.sendall(encode(Assignment(plan.cwd, plan.environment())))
        except OSError:
            pass  # it has just died, which `wait` notices

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def wait(self, watched: Watched, deadline: float) -> None:
        """Wait until the kernel is ready; `watched` has to raise an error if it ends instead."""
        everything = {**watched, self._socket.fileno(): self._read}
        while self._due:
            serve(watched if self._is_closed else everything, deadline)

    def _read(self) -> None:
        try:
            received = len(self._socket.recv(self._due))
        except OSError:
            received = 0
        self._due -= received
        self._is_closed = not received
