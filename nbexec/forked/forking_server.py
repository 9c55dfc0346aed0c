"""The base of the fork servers: a process with a single thread, no sockets but its own, and no event loop.

Its children are runners, or the keepers of kernels.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from contextlib import suppress
from typing import Any, List, Set, Union

from ..fork_protocol import ForkServerFailed, ForkServerReady, encode
from ..readiness import readable
from .child_processes import Children, become_subreaper


def begin() -> None:
    """Make this process ignore signals, and the parent of whatever its children leave behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    become_subreaper()


def be_ready(control: socket.socket, report: Union[ForkServerReady, ForkServerFailed]) -> None:
    """Share as much memory as possible with all children to come, and report to the notebook server."""
    gc.collect()
    gc.freeze()
    with suppress(OSError):  # the server may have gone by now, which `serve` finds out
        control.sendall(encode(report))


class ForkingServer:
    """Forks a process for each request.

    Parameters
    ----------
    control : socket
        The connection to the notebook server.
    others : sockets
        Further sockets that its children must not keep.
    """

    def __init__(self, control: socket.socket, *others: socket.socket) -> None:
        self._control = control
        self._others = others
        self._children = Children()
        self._forked: Set[int] = set()

    def _wait(self, sources: List[Any]) -> List[Any]:
        """Wait for a readable source or the end of a child, and return the readable sources."""
        ready = readable([*sources, self._children])
        if self._children in ready:
            self._bury()
        return ready

    def _is_child(self, connection: socket.socket) -> bool:
        """Fork; return whether this is the child, which keeps only `connection`.

        Raises
        ------
        OSError
            The system refuses; the connection is still open.
        """
        pid = os.fork()
        if pid == 0:
            self._children.close()
            for sock in (self._control, *self._others):
                sock.close()
            return True
        self._forked.add(pid)
        connection.close()
        return False

    def _bury(self) -> None:
        """Clean up after the children that have ended, and thoroughly after those that were killed."""
        ended = self._children.reap()
        while True:  # more may end while what is left of others is killed
            gone = self._forked.intersection(ended)
            if not gone:
                break
            self._forked -= gone
            statuses = {pid: ended.pop(pid) for pid in gone}
            for pid, status in statuses.items():
                self._child_end(pid, status)
            if any(statuses.values()):
                self._children.kill_all(but=frozenset(self._forked))
        ended.clear()

    def _child_end(self, pid: int, status: int) -> None:
        """Clean up after one child, given its wait status."""
